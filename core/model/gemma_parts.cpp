// SPDX-License-Identifier: Apache-2.0
#include "core/model/gemma_parts.h"

#include "core/tensor/dtype.h"

#include <cmath>

namespace qs {

namespace {

/// The reference keeps sqrt(hidden) in the model's own type: 55.5, not 55.43, for a bfloat16 model of 3072.
Result<double> embeddingMultiplier(const SpecBuilder& b) {
    const float root = std::sqrt(float(b.spec.hidden));
    QS_TRY(const std::string legacy, b.config.textOr("torch_dtype", "float32"));
    QS_TRY(const std::string type, b.config.textOr("dtype", legacy));
    if (type == "bfloat16") return double(bfloatToFloat(floatToBfloat(root)));
    if (type == "float16") return double(halfToFloat(floatToHalf(root)));
    return double(root);
}

/// `hidden_activation`; older files have only `hidden_act`, where "gelu" was a mistake for the tanh one.
Result<Activation> gemmaActivation(const SpecBuilder& b) {
    if (b.config.has("hidden_activation")) return b.activation("hidden_activation", "");
    QS_TRY(const Activation named, b.activation("hidden_act", "gelu_pytorch_tanh"));
    return named == Activation::GeluErf ? Activation::GeluTanh : named;
}

Result<void> addSandwich(const SpecBuilder& b, const std::string& layer, BlockSpec& block) {
    const size_t hidden = b.spec.hidden;
    QS_TRY(block.attentionNorms.output, gemmaNorm(b, layer + "post_attention_layernorm", hidden));
    QS_TRY(block.mlpNorms.before, gemmaNorm(b, layer + "pre_feedforward_layernorm", hidden));
    QS_TRY(block.mlpNorms.output, gemmaNorm(b, layer + "post_feedforward_layernorm", hidden));
    return {};
}

} // namespace

Result<NormSpec> gemmaNorm(const SpecBuilder& b, const std::string& module, size_t size) {
    QS_TRY(const double eps, b.config.positiveOr("rms_norm_eps", 1.0, 1e-6));
    QS_TRY(NormSpec n, b.norm(NormSpec::Kind::Rms, module, size, eps));
    n.plusOne = true;
    return n;
}

Result<void> gemmaEnds(SpecBuilder& b, const std::string& head) {
    QS_CHECK(b.embeddingAndHead(b.prefix + "embed_tokens.weight", head, true));
    QS_TRY(b.spec.embedding.multiplier, embeddingMultiplier(b));
    QS_TRY(b.spec.head.norm, gemmaNorm(b, "norm", b.spec.hidden));
    QS_TRY(b.spec.head.softCap, b.config.positiveOr("final_logit_softcapping", kMostCap, 0));
    return {};
}

Result<BlockSpec> gemmaBlock(const SpecBuilder& b, const std::string& layer, bool sandwich) {
    BlockSpec block;
    QS_TRY(const Bias bias, b.bias("attention_bias"));
    QS_TRY(block.attention, llamaAttention(b, layer, {.qkvBias = bias, .oBias = bias}));
    QS_TRY(block.attentionNorms.before, gemmaNorm(b, layer + "input_layernorm", b.spec.hidden));
    if (sandwich) {
        QS_CHECK(addSandwich(b, layer, block));
        QS_TRY(const double scalar,
               b.config.positiveOr("query_pre_attn_scalar", 1e9, double(b.spec.headDim)));
        block.attention.scale = 1.0 / std::sqrt(scalar);
    } else {
        QS_TRY(block.mlpNorms.before, gemmaNorm(b, layer + "post_attention_layernorm", b.spec.hidden));
    }
    MlpOptions mlp{.bias = Bias::None};
    QS_TRY(mlp.activation, gemmaActivation(b));
    QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", layer + "mlp", layer + "down", mlp));
    return block;
}

} // namespace qs
