// SPDX-License-Identifier: Apache-2.0
// Phi-3, 3.5 and Phi-4-mini: Llama with q, k, v in one tensor and gate, up in another, and longrope for long
// contexts.
#include "core/model/architecture.h"
#include "core/model/llama_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "phi3", {{"rms_norm_eps", 1e-5}});
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    QS_TRY(const RopeSpec rope, ropeFromConfig(b.config, b.spec.headDim, {.context = b.spec.context}));
    const int ropeIndex = b.addRope(rope);
    QS_CHECK(b.config.require("attention_bias", false));
    MlpOptions mlp{.bias = Bias::None, .fusedGateUp = true};
    QS_TRY(mlp.activation, b.activation("hidden_act", "silu"));
    QS_TRY(const std::vector<size_t> reach, layerReach(b, [](size_t) { return true; }));
    QS_CHECK(b.embeddingAndHead("model.embed_tokens.weight", "lm_head.weight", false));
    QS_TRY(b.spec.head.norm, llamaNorm(b, "norm"));
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = layerModule(i);
        QS_TRY(BlockSpec block,
               llamaBlock(b, layer, {.qkvBias = Bias::None, .oBias = Bias::None, .fusedQkv = true}));
        block.attention.rope = ropeIndex;
        block.attention.reach = reach[i];
        QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", layer + "mlp", layer + "down", mlp));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_phi3() {
    static const ArchitectureDescriptor d{.id = "phi3",
                                          .label = "Phi-3",
                                          .summary = "Phi-3, Phi-3.5 and Phi-4-mini (text): fused qkv_proj "
                                                     "and gate_up_proj, partial rotation, longrope",
                                          .classNames = {"Phi3ForCausalLM"},
                                          .modelTypes = {"phi3"},
                                          .resolve = resolve,
                                          .refuses = "biases of attention; other rope types"};
    return d;
}

} // namespace qs
