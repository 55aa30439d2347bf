// SPDX-License-Identifier: Apache-2.0
// The unigram language model (Kudo 2018) as Hugging Face tokenizers run it, see viterbi.h. A run of
// characters without a piece becomes byte pieces (byte_fallback, when all are there) or one unknown token.
#pragma once

#include "core/text/model.h"

namespace qs::text {

/// The "model" object of type Unigram: "vocab" as [[piece, log probability], ...], "unk_id", "byte_fallback".
Result<std::shared_ptr<const TokenModel>> parseUnigram(const nlohmann::json& json, const std::string& where);

} // namespace qs::text
