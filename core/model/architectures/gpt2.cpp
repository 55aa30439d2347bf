// SPDX-License-Identifier: Apache-2.0
// GPT-2: learned positions, LayerNorm before both halves, weights stored [in, out] (Conv1D), q, k and v in
// one of them. Published files name tensors with and without "transformer.".
#include "core/model/architecture.h"
#include "core/model/gpt_parts.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "gpt2", nlohmann::json::object());
    b.prefix = b.findPrefix({"transformer.", ""}, "wte.weight");
    QS_CHECK(b.dimensions({.hidden = "n_embd",
                           .intermediate = nullptr,
                           .heads = "n_head",
                           .blocks = "n_layer",
                           .context = "n_positions"}));
    QS_TRY(b.spec.intermediate, b.config.sizeOr("n_inner", 1u << 24, 4 * b.spec.hidden));
    QS_CHECK(b.config.require("add_cross_attention", false));
    QS_TRY(const double eps, b.config.positiveOr("layer_norm_epsilon", 1.0, 1e-5));
    QS_TRY(const Activation activation, b.activation("activation_function", "gelu_new"));
    QS_TRY(const bool scaled, b.config.booleanOr("scale_attn_weights", true));
    QS_TRY(const bool byLayer, b.config.booleanOr("scale_attn_by_inverse_layer_idx", false));
    QS_CHECK(b.embeddingAndHead(b.prefix + "wte.weight", "lm_head.weight", true));
    QS_TRY(b.spec.embedding.positions, b.tensor(b.prefix + "wpe.weight", {b.spec.context, b.spec.hidden}));
    QS_TRY(b.spec.head.norm, b.norm(NormSpec::Kind::Layer, "ln_f", b.spec.hidden, eps));
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = fmt::format("h.{}.", i);
        BlockSpec block;
        QS_TRY(block.attentionNorms.before,
               b.norm(NormSpec::Kind::Layer, layer + "ln_1", b.spec.hidden, eps));
        QS_TRY(block.mlpNorms.before, b.norm(NormSpec::Kind::Layer, layer + "ln_2", b.spec.hidden, eps));
        QS_TRY(block.attention,
               fusedAttention(b, layer, {.qkv = "attn.c_attn", .out = "attn.c_proj", .transposed = true}));
        if (!scaled) block.attention.scale = 1;
        if (byLayer) block.attention.scale /= double(i + 1);
        QS_TRY(
            block.mlp,
            plainMlp(b, layer,
                     {.up = "mlp.c_fc", .down = "mlp.c_proj", .activation = activation, .transposed = true}));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_gpt2() {
    static const ArchitectureDescriptor d{
        .id = "gpt2",
        .label = "GPT-2",
        .summary =
            "GPT-2 and models of the same shape: learned positions, LayerNorm, fused q, k, v, weights stored "
            "transposed",
        .classNames = {"GPT2LMHeadModel"},
        .modelTypes = {"gpt2"},
        .resolve = resolve,
        .refuses = "cross-attention; activations outside the list of names"};
    return d;
}

} // namespace qs
