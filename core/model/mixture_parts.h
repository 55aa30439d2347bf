// SPDX-License-Identifier: Apache-2.0
// Mixtures of experts as the Llama-like families store them: `gate` (the router) and `experts.<e>.<linear>`.
#pragma once

#include "core/model/llama_parts.h"

namespace qs {

struct MixtureOptions {
    const char* expertsKey = "num_experts"; ///< config field with the number of experts
    bool renormalize = false;
    MlpOptions mlp; ///< of every expert
};
/// `module`: "layers.0.mlp."; experts e have the sites `module + "experts.e"` and that + ".down".
Result<MixtureSpec> mixtureOfExperts(const SpecBuilder& b, const std::string& module,
                                     const MixtureOptions& options);

/// Does layer `index` have experts? By `mlp_only_layers` and `decoder_sparse_step`, as Qwen's files say it.
Result<bool> qwenLayerIsSparse(const SpecBuilder& b, size_t index);

} // namespace qs
