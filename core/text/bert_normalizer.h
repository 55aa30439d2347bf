// SPDX-License-Identifier: Apache-2.0
// BertNormalizer (tokenization.py of google-research/bert): control characters out and whitespace to " ",
// spaces around CJK ideographs, accents off, lower case; each can be switched off.
#pragma once

#include "core/text/normalizer.h"

namespace qs::text {

/// The component as written in tokenizer.json: clean_text, handle_chinese_chars, strip_accents (null: as
/// lowercase), lowercase.
Result<std::shared_ptr<const Normalizer>> parseBertNormalizer(const nlohmann::json& json,
                                                              const std::string& where);

} // namespace qs::text
