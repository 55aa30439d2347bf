// SPDX-License-Identifier: Apache-2.0
// What the generations of Gemma share: norms with gain 1 + w, embeddings times sqrt(hidden), GeGLU with the
// tanh gelu.
#pragma once

#include "core/model/llama_parts.h"

namespace qs {

/// Largest cap of scores and logits that is believed.
constexpr double kMostCap = 1e9;

/// RMSNorm `module` over `size` values whose gain is stored less one.
Result<NormSpec> gemmaNorm(const SpecBuilder& b, const std::string& module, size_t size);

/// Embedding, its multiplier, the final norm and the head with its cap.
Result<void> gemmaEnds(SpecBuilder& b, const std::string& head);

/// Attention and MLP. With `sandwich` (Gemma 2 and later) norms before and on the output of both halves, else
/// before only; scale query_pre_attn_scalar^-0.5 where config.json has it.
Result<BlockSpec> gemmaBlock(const SpecBuilder& b, const std::string& layer, bool sandwich);

} // namespace qs
