// SPDX-License-Identifier: Apache-2.0
// Added tokens of tokenizer.json: pieces such as "<s>" or "<|im_start|>" that are found in the text before
// the model sees it. Matching is leftmost-longest. Tokens with normalized=false are found in the raw text,
// the others in the normalized text by their normalized spelling (as in Hugging Face tokenizers).
#pragma once

#include "core/base/result.h"
#include "core/text/normalizer.h"
#include "core/text/pre_tokens.h"
#include "core/text/spelling_trie.h"
#include "core/text/vocabulary.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace qs::text {

struct AddedToken {
    int id = -1;
    std::string content;
    std::string spelling; ///< what is matched: the content, or its normalized form
    bool singleWord = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

/// Immutable after parsing; thread-safe.
class AddedTokens {
public:
    /// The "added_tokens" array. Contents that the model's vocabulary knows have the model's id; an id that
    /// the model gave to another piece is Error::corrupt.
    static Result<AddedTokens> parse(const nlohmann::json& list, const Vocabulary& vocabulary,
                                     const Normalizer* normalizer, const std::string& where);

    /// Finds tokens in the raw text, normalizes what is left (`normalizer` may be null) and finds tokens
    /// there.
    Result<PreTokens> extract(std::string_view text, const Normalizer* normalizer) const;

    const AddedToken* find(int id) const;
    const AddedToken* find(std::string_view content) const;
    const std::map<int, AddedToken>& all() const { return byId_; }
    /// Largest id + 1, 0 when there is none.
    int size() const { return byId_.empty() ? 0 : byId_.rbegin()->first + 1; }

private:
    Result<void> add(const nlohmann::json& entry, const Vocabulary& vocabulary, const Normalizer* normalizer,
                     const std::string& where);
    std::vector<Piece> cut(std::string_view text, const SpellingTrie& trie) const;

    std::map<int, AddedToken> byId_;
    std::map<std::string, int, std::less<>> byContent_;
    SpellingTrie raw_, normalized_;
};

} // namespace qs::text
