// SPDX-License-Identifier: Apache-2.0
// Qwen3-MoE: Qwen3 with a mixture of experts in some layers, without a shared expert.
#include "core/model/architecture.h"
#include "core/model/mixture_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<void> addFeedForward(const SpecBuilder& b, size_t index, const MlpOptions& mlp, BlockSpec& block) {
    const std::string layer = layerModule(index);
    QS_TRY(const bool sparse, qwenLayerIsSparse(b, index));
    if (!sparse) {
        QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", layer + "mlp", layer + "down", mlp));
        return {};
    }
    MixtureOptions options{.mlp = mlp};
    QS_TRY(options.renormalize, b.config.booleanOr("norm_topk_prob", false));
    QS_TRY(options.mlp.intermediate, b.config.size("moe_intermediate_size", 1u << 24));
    QS_TRY(block.mixture, mixtureOfExperts(b, layer + "mlp.", options));
    return {};
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "qwen3_moe", {{"attention_bias", false}, {"sliding_window", 4096}});
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    AttentionOptions attention;
    QS_TRY(attention.qkvBias, b.bias("attention_bias"));
    attention.oBias = attention.qkvBias;
    MlpOptions mlp;
    mlp.bias = Bias::None;
    QS_TRY(mlp.activation, b.activation("hidden_act", "silu"));
    QS_TRY(const std::vector<size_t> reach, qwenReach(b));
    QS_CHECK(llamaBody(b, {.context = b.spec.context}, attention, reach,
                       [&](size_t i, const std::string& layer, BlockSpec& block) -> Result<void> {
                           QS_CHECK(addHeadNorms(b, layer, block.attention));
                           return addFeedForward(b, i, mlp, block);
                       }));
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_qwen3_moe() {
    static const ArchitectureDescriptor d{.id = "qwen3_moe",
                                          .label = "Qwen3-MoE",
                                          .summary = "Qwen3-MoE: Qwen3 with a mixture of experts",
                                          .classNames = {"Qwen3MoeForCausalLM"},
                                          .modelTypes = {"qwen3_moe"},
                                          .resolve = resolve,
                                          .refuses = "experts fused into one tensor"};
    return d;
}

} // namespace qs
