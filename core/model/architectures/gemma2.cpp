// SPDX-License-Identifier: Apache-2.0
// Gemma 2: Gemma with norms before and after both halves of a block, capped scores and logits, and a sliding
// window in every other layer.
#include "core/model/architecture.h"
#include "core/model/gemma_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "gemma2",
                  {{"head_dim", 256},
                   {"query_pre_attn_scalar", 256},
                   {"sliding_window", 4096},
                   {"attn_logit_softcapping", 50.0},
                   {"final_logit_softcapping", 30.0}});
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    QS_TRY(const RopeSpec rope, ropeFromConfig(b.config, b.spec.headDim, {.context = b.spec.context}));
    const int ropeIndex = b.addRope(rope);
    QS_TRY(const double cap, b.config.positiveOr("attn_logit_softcapping", kMostCap, 0));
    QS_TRY(const std::vector<size_t> reach, layerReach(b, [](size_t i) { return i % 2 == 0; }));
    QS_CHECK(gemmaEnds(b, "lm_head.weight"));
    for (size_t i = 0; i < b.blocks; ++i) {
        QS_TRY(BlockSpec block, gemmaBlock(b, layerModule(i), true));
        block.attention.rope = ropeIndex;
        block.attention.reach = reach[i];
        block.attention.softCap = cap;
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_gemma2() {
    static const ArchitectureDescriptor d{
        .id = "gemma2",
        .label = "Gemma 2",
        .summary =
            "Gemma 2: norms before and after both halves, capped scores and logits, alternating windows",
        .classNames = {"Gemma2ForCausalLM"},
        .modelTypes = {"gemma2"},
        .resolve = resolve,
        .refuses = "other rope types"};
    return d;
}

} // namespace qs
