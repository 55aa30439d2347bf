// SPDX-License-Identifier: Apache-2.0
// Gemma 3, text: Gemma 2's blocks without the caps, with norms over query and key heads, and a rotation of
// their own for the layers with a sliding window. Multimodal checkpoints nest it: fields in `text_config`,
// tensors behind a prefix.
#include "core/model/architecture.h"
#include "core/model/gemma_parts.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace {

using nlohmann::json;

// What transformers assumes; the `text_config` of published files leaves out much of it.
json defaults() {
    return {{"vocab_size", 262208},   {"num_attention_heads", 8},          {"num_key_value_heads", 4},
            {"head_dim", 256},        {"max_position_embeddings", 131072}, {"query_pre_attn_scalar", 256},
            {"sliding_window", 4096}, {"sliding_window_pattern", 6},       {"rope_local_base_freq", 10000.0}};
}

/// Of the layers with full attention, then of the others. Version 5 has one object for each, version 4 a
/// plain base for the latter.
Result<std::pair<RopeSpec, RopeSpec>> ropes(const SpecBuilder& b) {
    const RopeDefaults base{.theta = 1e6, .context = b.spec.context};
    QS_TRY(const RopeSpec full, ropeFromConfig(b.config, b.spec.headDim, base, "full_attention"));
    QS_TRY(const json* parameters, b.config.objectOrNull("rope_parameters"));
    RopeSpec local;
    if (parameters && parameters->contains("sliding_attention")) {
        QS_TRY(local, ropeFromConfig(b.config, b.spec.headDim, base, "sliding_attention"));
    } else {
        local.dims = b.spec.headDim;
        QS_TRY(local.theta, b.config.positiveOr("rope_local_base_freq", 1e18, 10000.0));
        if (!(local.theta > 1))
            return Error::corrupt("'rope_local_base_freq' must be above 1", b.config.where());
    }
    return std::pair(full, local);
}

Result<ModelSpec> resolve(const Checkpoint& c) {
    SpecBuilder b(c, "gemma3", defaults(), "text_config");
    b.prefix =
        b.findPrefix({"model.", "language_model.model.", "model.language_model."}, "embed_tokens.weight");
    QS_CHECK(b.dimensions());
    QS_CHECK(b.config.require("use_bidirectional_attention", false));
    QS_TRY(const auto rope, ropes(b));
    const int full = b.addRope(rope.first), local = b.addRope(rope.second);
    QS_TRY(const size_t pattern, b.config.size("sliding_window_pattern", 100000));
    QS_TRY(const std::vector<size_t> reach, layerReach(b, [=](size_t i) { return (i + 1) % pattern != 0; }));
    QS_TRY(const double cap, b.config.positiveOr("attn_logit_softcapping", kMostCap, 0));
    const char* head = b.has("lm_head.weight") ? "lm_head.weight" : "language_model.lm_head.weight";
    QS_CHECK(gemmaEnds(b, head));
    for (size_t i = 0; i < b.blocks; ++i) {
        const std::string layer = layerModule(i);
        QS_TRY(BlockSpec block, gemmaBlock(b, layer, true));
        QS_TRY(block.attention.qNorm, gemmaNorm(b, layer + "self_attn.q_norm", b.spec.headDim));
        QS_TRY(block.attention.kNorm, gemmaNorm(b, layer + "self_attn.k_norm", b.spec.headDim));
        block.attention.rope = reach[i] ? local : full;
        block.attention.reach = reach[i];
        block.attention.softCap = cap;
        b.addBlock(std::move(block));
    }
    return std::move(b.spec);
}

} // namespace

const ArchitectureDescriptor& architecture_gemma3() {
    static const ArchitectureDescriptor d{
        .id = "gemma3",
        .label = "Gemma 3",
        .summary = "Gemma 3, also the text part of multimodal checkpoints: norms over heads, local and "
                   "global rotation",
        .classNames = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"},
        .modelTypes = {"gemma3", "gemma3_text"},
        .resolve = resolve,
        .refuses = "bidirectional attention; the image part of multimodal checkpoints is not run"};
    return d;
}

} // namespace qs
