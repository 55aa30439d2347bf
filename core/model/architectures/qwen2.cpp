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
    MlpOptions mlp;
    mlp.bias = Bias::None;
    QS_TRY(mlp.activation, b.activation("hidden_act", "silu"));
    QS_TRY(const std::vector<size_t> reach, qwenReach(b));
    QS_CHECK(llamaBody(b, {.context = b.spec.context}, {.qkvBias = Bias::Required, .oBias = Bias::None},
                       reach, [&](size_t, const std::string& layer, BlockSpec& block) -> Result<void> {
                           QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", layer + "mlp", layer + "down", mlp));
                           return {};
                       }));
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
