// SPDX-License-Identifier: Apache-2.0
// Pre-tokenizers of tokenizer.json: how the normalized text is cut into the words that the model sees one by
// one. Behaviour follows Hugging Face tokenizers. Known: ByteLevel Split Sequence Digits Metaspace Whitespace
// WhitespaceSplit Punctuation CharDelimiterSplit BertPreTokenizer UnicodeScripts FixedLength; others are
// Error::unsupported.
#pragma once

#include "core/base/result.h"
#include "core/text/pre_tokens.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>

namespace qs::text {

/// Immutable and thread-safe.
class PreTokenizer {
public:
    virtual ~PreTokenizer() = default;
    /// Cuts and rewrites all pieces that are not added tokens.
    virtual Result<void> apply(PreTokens& tokens) const = 0;
};

/// The component as written in the file; `where` is its path there.
Result<std::shared_ptr<const PreTokenizer>> parsePreTokenizer(const nlohmann::json& json,
                                                              const std::string& where, int depth = 0);

} // namespace qs::text
