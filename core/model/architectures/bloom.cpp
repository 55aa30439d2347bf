// SPDX-License-Identifier: Apache-2.0
// BLOOM: ALiBi instead of positions, a norm on the embedding, q, k and v of each head side by side in one
// linear.
#include "core/model/architecture.h"
#include "core/model/gpt_parts.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "bloom", nlohmann::json::object());
    b.prefix = b.findPrefix({"transformer.", ""}, "word_embeddings.weight");
    QS_CHECK(b.dimensions({.hidden = presentKey(b.config, {"hidden_size", "n_embed"}),
                           .intermediate = nullptr,
                           .heads = presentKey(b.config, {"n_head", "num_attention_heads"}),
                           .blocks = presentKey(b.config, {"n_layer", "num_hidden_layers"}),
                           .context = "seq_length"}));
    b.spec.intermediate = 4 * b.spec.hidden;
    QS_TRY(const double eps, b.config.positiveOr("layer_norm_epsilon", 1.0, 1e-5));
    QS_TRY(const bool afterNorm, b.config.booleanOr("apply_residual_connection_post_layernorm", false));
    const auto norm = [&](const std::string& module) {
        return b.norm(NormSpec::Kind::Layer, module, b.spec.hidden, eps);
    };
    QS_CHECK(b.embeddingAndHead(b.prefix + "word_embeddings.weight", "lm_head.weight", true));
    QS_TRY(b.spec.embedding.norm, norm("word_embeddings_layernorm"));
    QS_TRY(b.spec.head.norm, norm("ln_f"));
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = fmt::format("h.{}.", i);
        BlockSpec block;
        block.residualFromNorm = afterNorm;
        QS_TRY(block.attentionNorms.before, norm(layer + "input_layernorm"));
        QS_TRY(block.mlpNorms.before, norm(layer + "post_attention_layernorm"));
        QS_TRY(block.attention, fusedAttention(b, layer,
                                               {.qkv = "self_attention.query_key_value",
                                                .out = "self_attention.dense",
                                                .rows = FusedAttentionOptions::Rows::Groups}));
        block.attention.alibi.slopes = alibiSlopes(b.spec.heads);
        QS_TRY(block.mlp, plainMlp(b, layer,
                                   {.up = "mlp.dense_h_to_4h",
                                    .down = "mlp.dense_4h_to_h",
                                    .activation = Activation::GeluTanh}));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_bloom() {
    static const ArchitectureDescriptor d{.id = "bloom",
                                          .label = "BLOOM",
                                          .summary = "BLOOM and BLOOMZ: ALiBi, LayerNorm, fused q, k, v",
                                          .classNames = {"BloomForCausalLM"},
                                          .modelTypes = {"bloom"},
                                          .resolve = resolve};
    return d;
}

} // namespace qs
