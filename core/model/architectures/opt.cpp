// SPDX-License-Identifier: Apache-2.0
// OPT and Galactica: learned positions from row 2, LayerNorm before both halves, or after them with a
// narrower embedding (350m).
#include "core/model/architecture.h"
#include "core/model/gpt_parts.h"
#include "core/model/llama_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr double kEps = 1e-5; // nowhere in config.json

struct OptOptions {
    bool before = true, affine = true, finalNorm = true;
    Bias bias = Bias::Required;
    Activation activation = Activation::Relu;
};

Result<OptOptions> optionsOf(const SpecBuilder& b) {
    OptOptions o;
    QS_TRY(o.before, b.config.booleanOr("do_layer_norm_before", true));
    QS_TRY(o.affine, b.config.booleanOr("layer_norm_elementwise_affine", true));
    QS_TRY(const bool removed, b.config.booleanOr("_remove_final_layer_norm", false));
    o.finalNorm = o.before && !removed;
    QS_TRY(const bool bias, b.config.booleanOr("enable_bias", true));
    if (!bias) o.bias = Bias::None;
    QS_TRY(o.activation, b.activation("activation_function", "relu"));
    return o;
}

Result<NormSpec> normOf(const SpecBuilder& b, const std::string& module, const OptOptions& o) {
    if (o.affine) return b.norm(NormSpec::Kind::Layer, module, b.spec.hidden, kEps);
    NormSpec n;
    n.kind = NormSpec::Kind::Layer;
    n.size = b.spec.hidden;
    n.eps = kEps;
    return n;
}

/// The embedding may be narrower than the blocks; then it is projected, and the last hidden states back.
Result<void> endsOf(SpecBuilder& b) {
    constexpr size_t kOffset = 2; // the first rows belonged to padding
    ModelSpec& s = b.spec;
    QS_TRY(const size_t width, b.config.sizeOr("word_embed_proj_dim", 1u << 24, s.hidden));
    QS_TRY(s.head.tied, b.config.booleanOr("tie_word_embeddings", true));
    QS_TRY(s.embedding.tokens, b.tensor(b.prefix + "embed_tokens.weight", {s.vocabulary, width}));
    s.head.tied |= !b.has("lm_head.weight");
    QS_TRY(s.head.weight,
           b.tensor(s.head.tied ? s.embedding.tokens : "lm_head.weight", {s.vocabulary, width}));
    s.embedding.positionOffset = kOffset;
    QS_TRY(s.embedding.positions,
           b.tensor(b.prefix + "embed_positions.weight", {s.context + kOffset, s.hidden}));
    if (width == s.hidden) return {};
    QS_TRY(s.embedding.projection, b.tensor(b.prefix + "project_in.weight", {s.hidden, width}));
    QS_TRY(s.head.projection, b.tensor(b.prefix + "project_out.weight", {width, s.hidden}));
    return {};
}

Result<AttentionSpec> attentionOf(const SpecBuilder& b, const std::string& layer, Bias bias) {
    AttentionOptions options;
    options.qkvBias = options.oBias = bias;
    options.out = "out_proj";
    return llamaAttention(b, layer, options);
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "opt", nlohmann::json::object());
    b.prefix = b.findPrefix({"model.decoder.", "decoder."}, "embed_tokens.weight");
    QS_CHECK(b.dimensions({.intermediate = "ffn_dim"}));
    QS_TRY(const OptOptions o, optionsOf(b));
    QS_CHECK(endsOf(b));
    if (o.finalNorm) {
        QS_TRY(b.spec.head.norm, normOf(b, "final_layer_norm", o));
    }
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = layerModule(i);
        BlockSpec block;
        auto& attentionNorm = o.before ? block.attentionNorms.before : block.attentionNorms.after;
        QS_TRY(attentionNorm, normOf(b, layer + "self_attn_layer_norm", o));
        auto& mlpNorm = o.before ? block.mlpNorms.before : block.mlpNorms.after;
        QS_TRY(mlpNorm, normOf(b, layer + "final_layer_norm", o));
        QS_TRY(block.attention, attentionOf(b, layer, o.bias));
        QS_TRY(block.mlp,
               plainMlp(b, layer, {.up = "fc1", .down = "fc2", .activation = o.activation, .bias = o.bias}));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_opt() {
    static const ArchitectureDescriptor d{
        .id = "opt",
        .label = "OPT",
        .summary =
            "OPT of all sizes and Galactica: learned positions, LayerNorm, separate q, k, v, ReLU or GELU",
        .classNames = {"OPTForCausalLM"},
        .modelTypes = {"opt"},
        .resolve = resolve,
        .refuses = "activations outside the list of names"};
    return d;
}

} // namespace qs
