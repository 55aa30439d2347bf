// SPDX-License-Identifier: Apache-2.0
// Rotary embedding of a GGUF file in the words of config.json.
#pragma once

#include "core/checkpoint/gguf_model.h"

namespace qs {

/// Sets `rope_theta` and `rope_scaling` (null when there is none). `prefix` is "<architecture>.rope.".
/// Scaling is found in three places: keys "scaling.*" (linear, yarn, longrope), the tensors rope_factors_long
/// and rope_factors_short (longrope), and the tensor rope_freqs, divisors of the frequencies. The last is
/// Llama 3's rule when its parameters reproduce the divisors to 1e-5, else longrope with these divisors for
/// both lengths, which computes the same. Errors: a scaling type that is not known; two scalings at once;
/// vectors of the wrong length.
Result<void> ggufRope(const GgufSet& set, const std::string& prefix, const GgufDims& dims,
                      nlohmann::json& config);

} // namespace qs
