// SPDX-License-Identifier: Apache-2.0
// StableLM: Llama's tensors with LayerNorm, rotation of a part of the head, and in StableLM 2 12B a norm per
// head of q and k and both halves reading one norm.
#include "core/model/architecture.h"
#include "core/model/llama_parts.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

/// "q_layernorm.norms.<head>.weight", one gain per head, no bias.
Result<NormSpec> headNorms(const SpecBuilder& b, const std::string& module, size_t heads, double eps) {
    NormSpec n;
    n.kind = NormSpec::Kind::Layer;
    n.size = b.spec.headDim;
    n.eps = eps;
    for (size_t h = 0; h < heads; ++h) {
        QS_TRY(std::string gain,
               b.tensor(fmt::format("{}{}.norms.{}.weight", b.prefix, module, h), {b.spec.headDim}));
        n.gain.push_back(std::move(gain));
    }
    return n;
}

struct StableLmOptions {
    bool parallel = false, headNorm = false;
    double eps = 1e-5;
    int rope = -1;
    AttentionOptions attention;
    MlpOptions mlp;
};

Result<StableLmOptions> optionsOf(SpecBuilder& b) {
    StableLmOptions o;
    QS_TRY(const RopeSpec rope,
           ropeFromConfig(b.config, b.spec.headDim, {.context = b.spec.context, .partial = 0.25}));
    o.rope = b.addRope(rope);
    QS_TRY(o.eps, b.config.positiveOr("layer_norm_eps", 1.0, 1e-5));
    QS_TRY(o.parallel, b.config.booleanOr("use_parallel_residual", false));
    QS_TRY(o.headNorm, b.config.booleanOr("qk_layernorm", false));
    QS_TRY(const bool bias, b.config.booleanOr("use_qkv_bias", false));
    o.attention.qkvBias = bias ? Bias::Required : Bias::None;
    o.attention.oBias = Bias::None;
    o.mlp.bias = Bias::None;
    QS_TRY(o.mlp.activation, b.activation("hidden_act", "silu"));
    return o;
}

Result<BlockSpec> blockOf(const SpecBuilder& b, const std::string& layer, const StableLmOptions& o) {
    const auto norm = [&](const char* name) {
        return b.norm(NormSpec::Kind::Layer, layer + name, b.spec.hidden, o.eps);
    };
    BlockSpec block;
    block.parallel = o.parallel;
    QS_TRY(block.attentionNorms.before, norm("input_layernorm"));
    if (!o.parallel) {
        QS_TRY(block.mlpNorms.before, norm("post_attention_layernorm"));
    }
    QS_TRY(block.attention, llamaAttention(b, layer, o.attention));
    block.attention.rope = o.rope;
    if (o.headNorm) {
        QS_TRY(block.attention.qNorm, headNorms(b, layer + "self_attn.q_layernorm", b.spec.heads, o.eps));
        QS_TRY(block.attention.kNorm, headNorms(b, layer + "self_attn.k_layernorm", b.spec.kvHeads, o.eps));
    }
    const std::string site = layer + (o.parallel ? "attn" : "mlp");
    QS_TRY(block.mlp, llamaMlp(b, layer + "mlp.", site, layer + "down", o.mlp));
    return block;
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "stablelm", nlohmann::json::object());
    b.prefix = "model.";
    QS_CHECK(b.dimensions());
    QS_TRY(const StableLmOptions o, optionsOf(b));
    QS_CHECK(b.embeddingAndHead("model.embed_tokens.weight", "lm_head.weight", false));
    QS_TRY(b.spec.head.norm, b.norm(NormSpec::Kind::Layer, "norm", b.spec.hidden, o.eps));
    for (size_t i = 0; i < b.blocks; ++i) {
        QS_TRY(BlockSpec block, blockOf(b, layerModule(i), o));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_stablelm() {
    static const ArchitectureDescriptor d{
        .id = "stablelm",
        .label = "StableLM",
        .summary = "StableLM 3B, StableLM 2 and Zephyr: LayerNorm, partial rotary embedding, GQA, SwiGLU",
        .classNames = {"StableLmForCausalLM"},
        .modelTypes = {"stablelm"},
        .resolve = resolve,
        .refuses = "activations outside the list of names; other rope types"};
    return d;
}

} // namespace qs
