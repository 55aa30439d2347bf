// SPDX-License-Identifier: Apache-2.0
// Tokens as the pieces of text a person reads.
#pragma once

#include "core/evaluate/evaluate.h"

namespace qs {

/// One piece per id; together they are the decoded text. A token without text of its own (a special token, a
/// part of a character) is shown by Tokenizer::display().
std::vector<std::string> tokenTexts(const Tokenizer& tokenizer, std::span<const int32_t> ids);

/// A scored token of an evaluation where it stands.
struct TokenContext {
    size_t window = 0, position = 0; ///< position within the window
    std::string before, token;       ///< decoded; `before` is the text of at most `tokensBefore` tokens
};
TokenContext tokenContext(const Evaluation& e, const Tokenizer& tokenizer, size_t scored,
                          size_t tokensBefore);

} // namespace qs
