// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding by merge rank (Sennrich et al. 2016), as Hugging Face tokenizers run it: of all
// neighbouring pairs that have a merge the one with the lowest rank (leftmost among equals) is joined, until
// none is left. n log n in the length of a word.
#pragma once

#include "core/text/model.h"

namespace qs::text {

/// The "model" object of type BPE. Merges as "a b" or ["a", "b"]. Error::unsupported for dropout above 0.
Result<std::shared_ptr<const TokenModel>> parseBpe(const nlohmann::json& json, const std::string& where);

} // namespace qs::text
