// SPDX-License-Identifier: Apache-2.0
// The parts that the Llama family shares: self_attn.{q,k,v,o}_proj, mlp.{gate,up,down}_proj and the layers'
// kinds.
#pragma once

#include "core/model/spec_builder.h"

#include <functional>

namespace qs {

/// "layers.<index>."
std::string layerModule(size_t index);

struct AttentionOptions {
    Bias qkvBias = Bias::IfStored, oBias = Bias::IfStored;
    bool fusedQkv = false; ///< one qkv_proj with rows [q | k | v]
    const char* out = "o_proj";
};
/// Linears `layer + "self_attn."...` of the spec's heads; scale 1 / sqrt(headDim), no rotation yet.
Result<AttentionSpec> llamaAttention(const SpecBuilder& b, const std::string& layer,
                                     const AttentionOptions& options = {});

struct MlpOptions {
    size_t intermediate = 0; ///< 0: the spec's
    Activation activation = Activation::Silu;
    Bias bias = Bias::IfStored;
    bool fusedGateUp = false; ///< one gate_up_proj with rows [gate | up]
    const char *gate = "gate_proj", *up = "up_proj", *down = "down_proj";
};
/// Gated linears `module + "gate_proj"`, ...; sites `site` and `downSite`.
Result<MlpSpec> llamaMlp(const SpecBuilder& b, const std::string& module, const std::string& site,
                         const std::string& downSite, const MlpOptions& options = {});

/// AttentionSpec::reach of every layer: config's `sliding_window` where its `layer_types` says so, or where
/// `fallback(i)` does without that key; 0 elsewhere and when `sliding_window` is absent or null.
Result<std::vector<size_t>> layerReach(const SpecBuilder& b, const std::function<bool(size_t)>& fallback);

/// RMSNorm `module` over the hidden size with the config's rms_norm_eps.
Result<NormSpec> llamaNorm(const SpecBuilder& b, const std::string& module);

/// A pre-norm block: input_layernorm, attention; post_attention_layernorm, no feed-forward half yet.
Result<BlockSpec> llamaBlock(const SpecBuilder& b, const std::string& layer,
                             const AttentionOptions& options = {});

/// Adds to block `index`, whose module is `layer`, what llamaBody leaves out: the feed-forward half above
/// all.
using FinishBlock = std::function<Result<void>(size_t index, const std::string& layer, BlockSpec& block)>;
/// A model of the Llama shape: one rotation for all blocks, embedding, final norm, head, and a block per
/// layer.
Result<void> llamaBody(SpecBuilder& b, const RopeDefaults& rope, const AttentionOptions& attention,
                       const std::vector<size_t>& reach, const FinishBlock& finish);

/// Qwen's rule: no sliding window unless `use_sliding_window`, then from layer `max_window_layers` on, or by
/// `layer_types`.
Result<std::vector<size_t>> qwenReach(const SpecBuilder& b);

/// RMSNorm over every head: self_attn.q_norm and k_norm.
Result<void> addHeadNorms(const SpecBuilder& b, const std::string& layer, AttentionSpec& attention);

} // namespace qs
