// SPDX-License-Identifier: Apache-2.0
// Qwen2 and 2.5: Llama with biases on q, k and v, and a sliding window in the later layers where config.json
// asks for it.
#include "core/model/architecture.h"
#include "core/model/llama_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "qwen2", {{"sliding_window", 4096}});
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    QS_TRY(const RopeSpec rope, ropeFromConfig(b.config, b.spec.headDim, {.context = b.spec.context}));
    const int ropeIndex = b.addRope(rope);
    MlpOptions mlp;
    mlp.bias = Bias::None;
    QS_TRY(mlp.activation, b.activation("hidden_act", "silu"));
    QS_TRY(const std::vector<size_t> reach, qwenReach(b));
    QS_CHECK(b.embeddingAndHead("model.embed_tokens.weight", "lm_head.weight", false));
    QS_TRY(b.spec.head.norm, llamaNorm(b, "norm"));
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = layerModule(i);
        QS_TRY(BlockSpec block, llamaBlock(b, layer, {.qkvBias = Bias::Required, .oBias = Bias::None}));
        block.attention.rope = ropeIndex;
        block.attention.reach = reach[i];
        QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", layer + "mlp", layer + "down", mlp));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_qwen2() {
    static const ArchitectureDescriptor d{.id = "qwen2",
                                          .label = "Qwen2",
                                          .summary = "Qwen2 and Qwen2.5: Llama with biases on q, k and v",
                                          .classNames = {"Qwen2ForCausalLM"},
                                          .modelTypes = {"qwen2"},
                                          .resolve = resolve,
                                          .refuses = "layer types other than full and sliding attention"};
    return d;
}

} // namespace qs
