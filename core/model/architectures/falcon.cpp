// SPDX-License-Identifier: Apache-2.0
// Falcon: three generations under one name. RW: ALiBi, one block half after the other. 7B: one k and v for
// all heads, both halves read one norm. 40B and 11B ("new decoder architecture"): groups of heads, both
// halves on the same residual with a norm each, or one for both.
#include "core/model/architecture.h"
#include "core/model/gpt_parts.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

struct FalconOptions {
    bool grouped = false, multiQuery = true, parallel = true, alibi = false;
    bool twoNorms = false; ///< ln_attn and ln_mlp
    Bias bias = Bias::None;
    double eps = 1e-5;
    Activation activation = Activation::GeluErf;
    int rope = -1;
};

Result<FalconOptions> optionsOf(SpecBuilder& b) {
    FalconOptions o;
    QS_TRY(o.grouped, b.config.booleanOr("new_decoder_architecture", false));
    QS_TRY(o.multiQuery, b.config.booleanOr("multi_query", true));
    QS_TRY(o.parallel, b.config.booleanOr("parallel_attn", true));
    QS_TRY(o.alibi, b.config.booleanOr("alibi", false));
    QS_TRY(const bool bias, b.config.booleanOr("bias", false));
    if (bias) o.bias = Bias::Required;
    QS_TRY(o.eps, b.config.positiveOr("layer_norm_epsilon", 1.0, 1e-5));
    QS_TRY(o.activation, b.activation("activation", "gelu"));
    QS_TRY(const size_t norms, b.config.sizeOr("num_ln_in_parallel_attn", 2, o.grouped ? 2 : 1));
    // The new decoder is always parallel, and never has one k and v for all heads.
    o.parallel |= o.grouped;
    o.multiQuery &= !o.grouped;
    o.twoNorms = norms == 2;
    if (o.twoNorms && !o.grouped)
        return Error::unsupported("'num_ln_in_parallel_attn' 2 needs 'new_decoder_architecture'",
                                  b.config.where());
    return o;
}

Result<void> dimensionsOf(SpecBuilder& b, const FalconOptions& o) {
    DimensionKeys keys{.hidden = presentKey(b.config, {"hidden_size", "n_embed"}),
                       .intermediate = nullptr,
                       .heads = presentKey(b.config, {"num_attention_heads", "n_head"}),
                       .blocks = presentKey(b.config, {"num_hidden_layers", "n_layer"})};
    // Files of the other generations hold a number of key-value heads that means nothing.
    if (o.grouped) keys.kvHeads = presentKey(b.config, {"num_kv_heads", "n_head_kv"});
    QS_CHECK(b.dimensions(keys));
    if (o.multiQuery) b.spec.kvHeads = 1;
    QS_TRY(b.spec.intermediate, b.config.sizeOr("ffn_hidden_size", 1u << 24, 4 * b.spec.hidden));
    return {};
}

Result<BlockSpec> blockOf(const SpecBuilder& b, const std::string& layer, const FalconOptions& o) {
    const auto norm = [&](const char* name) {
        return b.norm(NormSpec::Kind::Layer, layer + name, b.spec.hidden, o.eps);
    };
    BlockSpec block;
    block.parallel = o.parallel;
    QS_TRY(block.attentionNorms.before, norm(o.twoNorms ? "ln_attn" : "input_layernorm"));
    if (o.twoNorms || !o.parallel) {
        QS_TRY(block.mlpNorms.before, norm(o.twoNorms ? "ln_mlp" : "post_attention_layernorm"));
    }
    using Rows = FusedAttentionOptions::Rows;
    QS_TRY(block.attention, fusedAttention(b, layer,
                                           {.qkv = "self_attention.query_key_value",
                                            .out = "self_attention.dense",
                                            .rows = o.multiQuery ? Rows::Blocks : Rows::Groups,
                                            .bias = o.bias}));
    block.attention.rope = o.rope;
    if (o.alibi) // rounded, and scaled with the scores, in the published code
        block.attention.alibi = {
            .slopes = alibiSlopes(b.spec.heads), .scale = block.attention.scale, .bfloat16 = true};
    QS_TRY(block.mlp, plainMlp(b, layer,
                               {.up = "mlp.dense_h_to_4h",
                                .down = "mlp.dense_4h_to_h",
                                .activation = o.activation,
                                .bias = o.bias,
                                .site = block.mlpNorms.before ? "mlp" : "attn"}));
    return block;
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "falcon", nlohmann::json::object());
    b.prefix = b.findPrefix({"transformer.", ""}, "word_embeddings.weight");
    QS_TRY(FalconOptions o, optionsOf(b));
    QS_CHECK(dimensionsOf(b, o));
    if (!o.alibi) {
        QS_TRY(const RopeSpec rope, ropeFromConfig(b.config, b.spec.headDim, {.context = b.spec.context}));
        o.rope = b.addRope(rope);
    }
    QS_CHECK(b.embeddingAndHead(b.prefix + "word_embeddings.weight", "lm_head.weight", true));
    QS_TRY(b.spec.head.norm, b.norm(NormSpec::Kind::Layer, "ln_f", b.spec.hidden, o.eps));
    for (size_t i = 0; i < b.blocks; ++i) {
        QS_TRY(BlockSpec block, blockOf(b, fmt::format("h.{}.", i), o));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_falcon() {
    static const ArchitectureDescriptor d{
        .id = "falcon",
        .label = "Falcon",
        .summary =
            "Falcon RW (ALiBi), 7B (multi-query, parallel), 40B, 180B and 11B (grouped heads, parallel)",
        .classNames = {"FalconForCausalLM"},
        .modelTypes = {"falcon"},
        .resolve = resolve,
        .refuses = "two norms per block outside the new decoder architecture; other rope types"};
    return d;
}

} // namespace qs
