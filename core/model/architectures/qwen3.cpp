// SPDX-License-Identifier: Apache-2.0
// Qwen3: Llama with RMSNorm over every query and key head before the rotation.
#include "core/model/architecture.h"
#include "core/model/llama_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "qwen3", {{"head_dim", 128}, {"attention_bias", false}, {"sliding_window", 4096}});
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
                       [&](size_t, const std::string& layer, BlockSpec& block) -> Result<void> {
                           QS_CHECK(addHeadNorms(b, layer, block.attention));
                           QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", layer + "mlp", layer + "down", mlp));
                           return {};
                       }));
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_qwen3() {
    static const ArchitectureDescriptor d{.id = "qwen3",
                                          .label = "Qwen3",
                                          .summary = "Qwen3: Llama with norms over query and key heads",
                                          .classNames = {"Qwen3ForCausalLM"},
                                          .modelTypes = {"qwen3"},
                                          .resolve = resolve,
                                          .refuses = "layer types other than full and sliding attention"};
    return d;
}

} // namespace qs
