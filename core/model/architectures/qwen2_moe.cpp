// SPDX-License-Identifier: Apache-2.0
// Qwen1.5-MoE and Qwen2-MoE: Qwen2 with a mixture of experts in some layers, and a shared expert behind a
// gate.
#include "core/model/architecture.h"
#include "core/model/mixture_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<void> addFeedForward(const SpecBuilder& b, size_t index, const MlpOptions& mlp, BlockSpec& block) {
    const std::string layer = layerModule(index), module = layer + "mlp.";
    QS_TRY(const bool sparse, qwenLayerIsSparse(b, index));
    if (!sparse) {
        QS_TRY(block.mlp, llamaMlp(b, module, layer + "mlp", layer + "down", mlp));
        return {};
    }
    MixtureOptions options{.mlp = mlp};
    QS_TRY(options.renormalize, b.config.booleanOr("norm_topk_prob", false));
    QS_TRY(options.mlp.intermediate, b.config.size("moe_intermediate_size", 1u << 24));
    QS_TRY(MixtureSpec m, mixtureOfExperts(b, module, options));
    MlpOptions shared = mlp;
    QS_TRY(shared.intermediate, b.config.size("shared_expert_intermediate_size", 1u << 24));
    QS_TRY(m.shared, llamaMlp(b, module + "shared_expert.", layer + "mlp", layer + "shared_down", shared));
    QS_TRY(m.sharedGate, b.tensor(b.prefix + module + "shared_expert_gate.weight", {1, b.spec.hidden}));
    block.mixture = std::move(m);
    return {};
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "qwen2_moe", {{"qkv_bias", true}, {"sliding_window", 4096}});
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    AttentionOptions attention{.oBias = Bias::None};
    QS_TRY(attention.qkvBias, b.bias("qkv_bias"));
    MlpOptions mlp;
    mlp.bias = Bias::None;
    QS_TRY(mlp.activation, b.activation("hidden_act", "silu"));
    QS_TRY(const std::vector<size_t> reach, qwenReach(b));
    QS_CHECK(llamaBody(b, {.context = b.spec.context}, attention, reach,
                       [&](size_t i, const std::string&, BlockSpec& block) -> Result<void> {
                           return addFeedForward(b, i, mlp, block);
                       }));
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_qwen2_moe() {
    static const ArchitectureDescriptor d{
        .id = "qwen2_moe",
        .label = "Qwen2-MoE",
        .summary = "Qwen1.5-MoE and Qwen2-MoE: Qwen2 with a mixture of experts and a gated shared expert",
        .classNames = {"Qwen2MoeForCausalLM"},
        .modelTypes = {"qwen2_moe"},
        .resolve = resolve,
        .refuses = "layer types other than full and sliding attention"};
    return d;
}

} // namespace qs
