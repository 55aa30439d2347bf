// SPDX-License-Identifier: Apache-2.0
// Normalizers of tokenizer.json: what happens to the text before it is cut. Behaviour follows Hugging Face
// tokenizers. Known: NFC NFD NFKC NFKD Sequence Lowercase Strip StripAccents Nmt Precompiled BertNormalizer
// Replace Prepend ByteLevel; others are Error::unsupported.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>

namespace qs::text {

struct NormalizedText {
    std::string text;
    size_t limit = 0;         ///< longest it may become, see growthLimit in pre_tokens.h
    bool headRemoved = false; ///< characters at the start were dropped: the text no longer begins at the
                              ///< original's first byte
};

/// Immutable and thread-safe.
class Normalizer {
public:
    virtual ~Normalizer() = default;
    virtual Result<void> apply(NormalizedText& text) const = 0;
};

/// The component as written in the file; `where` is its path there ("tokenizer.json: normalizer").
Result<std::shared_ptr<const Normalizer>> parseNormalizer(const nlohmann::json& json,
                                                          const std::string& where, int depth = 0);

} // namespace qs::text
