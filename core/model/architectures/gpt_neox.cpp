// SPDX-License-Identifier: Apache-2.0
// GPT-NeoX and Pythia: LayerNorm, rotation of a part of the head, q, k and v of each head side by side in one
// linear, both halves on the same residual.
#include "core/model/architecture.h"
#include "core/model/gpt_parts.h"
#include "core/model/llama_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr const char* kHead = "embed_out.weight";

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "gpt_neox", nlohmann::json::object());
    b.prefix = "gpt_neox.";
    QS_CHECK(b.dimensions());
    QS_TRY(const RopeSpec rope,
           ropeFromConfig(b.config, b.spec.headDim,
                          {.context = b.spec.context,
                           .partial = 0.25,
                           .thetaKey = presentKey(b.config, {"rotary_emb_base", "rope_theta"}),
                           .partialKey = "rotary_pct"}));
    const int ropeIndex = b.addRope(rope);
    QS_TRY(const double eps, b.config.positiveOr("layer_norm_eps", 1.0, 1e-5));
    QS_TRY(const Activation activation, b.activation("hidden_act", "gelu"));
    QS_TRY(const bool parallel, b.config.booleanOr("use_parallel_residual", true));
    QS_TRY(const bool attentionBias, b.config.booleanOr("attention_bias", true));
    QS_CHECK(b.embeddingAndHead("gpt_neox.embed_in.weight", kHead, false));
    QS_TRY(b.spec.head.norm, b.norm(NormSpec::Kind::Layer, "final_layer_norm", b.spec.hidden, eps));
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = layerModule(i);
        const auto norm = [&](const char* name) {
            return b.norm(NormSpec::Kind::Layer, layer + name, b.spec.hidden, eps);
        };
        BlockSpec block;
        block.parallel = parallel;
        QS_TRY(block.attentionNorms.before, norm("input_layernorm"));
        QS_TRY(block.mlpNorms.before, norm("post_attention_layernorm"));
        QS_TRY(block.attention, fusedAttention(b, layer,
                                               {.qkv = "attention.query_key_value",
                                                .out = "attention.dense",
                                                .rows = FusedAttentionOptions::Rows::Groups,
                                                .bias = attentionBias ? Bias::Required : Bias::None}));
        block.attention.rope = ropeIndex;
        QS_TRY(block.mlp,
               plainMlp(b, layer,
                        {.up = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h", .activation = activation}));
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_gpt_neox() {
    static const ArchitectureDescriptor d{.id = "gpt_neox",
                                          .label = "GPT-NeoX",
                                          .summary = "GPT-NeoX, Pythia, Dolly 2: LayerNorm, partial rotary "
                                                     "embedding, fused q, k, v, parallel residual",
                                          .classNames = {"GPTNeoXForCausalLM"},
                                          .modelTypes = {"gpt_neox"},
                                          .resolve = resolve,
                                          .refuses =
                                              "activations outside the list of names; other rope types",
                                          .head = kHead};
    return d;
}

} // namespace qs
