// SPDX-License-Identifier: Apache-2.0
// Gemma: Llama's layout with norms of gain 1 + w, scaled embeddings, GeGLU, and heads wider than hidden /
// heads.
#include "core/model/architecture.h"
#include "core/model/gemma_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "gemma", {{"head_dim", 256}});
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    QS_TRY(const RopeSpec rope, ropeFromConfig(b.config, b.spec.headDim, {.context = b.spec.context}));
    const int ropeIndex = b.addRope(rope);
    QS_CHECK(gemmaEnds(b, "lm_head.weight"));
    for (size_t i = 0; i < b.blocks; ++i) {
        QS_TRY(BlockSpec block, gemmaBlock(b, layerModule(i), false));
        block.attention.rope = ropeIndex;
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_gemma() {
    static const ArchitectureDescriptor d{
        .id = "gemma",
        .label = "Gemma",
        .summary = "Gemma 1: RMSNorm with gain 1 + w, embeddings times sqrt(hidden), GeGLU (tanh)",
        .classNames = {"GemmaForCausalLM"},
        .modelTypes = {"gemma"},
        .resolve = resolve,
        .refuses = "other rope types"};
    return d;
}

} // namespace qs
