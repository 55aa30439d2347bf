// SPDX-License-Identifier: Apache-2.0
// Llama and Mistral: pre-norm decoder with RMSNorm, half-split rotary embedding, grouped-query attention and
// SwiGLU. Tensor names and config spellings (transformers v4 and v5) as in the published checkpoints.
#include "core/model/architecture.h"
#include "core/model/llama_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    nlohmann::json defaults = nlohmann::json::object();
    QS_TRY(const std::string type, ConfigReader(c.config(), c.displayName()).textOr("model_type", "llama"));
    if (type == "mistral") defaults["sliding_window"] = 4096;
    SpecBuilder b(c, "llama", std::move(defaults));
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    AttentionOptions attention;
    QS_TRY(attention.qkvBias, b.bias("attention_bias"));
    attention.oBias = attention.qkvBias;
    MlpOptions mlp;
    QS_TRY(mlp.activation, b.activation("hidden_act", "silu"));
    QS_TRY(mlp.bias, b.bias("mlp_bias"));
    QS_TRY(const std::vector<size_t> reach, layerReach(b, [](size_t) { return true; }));
    QS_CHECK(llamaBody(b, {.context = b.spec.context}, attention, reach,
                       [&](size_t, const std::string& layer, BlockSpec& block) -> Result<void> {
                           QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", layer + "mlp", layer + "down", mlp));
                           return {};
                       }));
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_llama() {
    static const ArchitectureDescriptor d{
        .id = "llama",
        .label = "Llama, Mistral",
        .summary =
            "Llama 1 to 3, Mistral and models of the same shape: RMSNorm, rotary embedding (default, linear, "
            "dynamic, llama3, yarn, longrope), GQA, sliding window, SwiGLU",
        .classNames = {"LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM"},
        .modelTypes = {"llama", "mistral"},
        .resolve = resolve,
        .refuses = "activations outside the list of names; other rope types"};
    return d;
}

} // namespace qs
