// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding by merge rank (Sennrich et al. 2016), as Hugging Face tokenizers run it: of all
// neighbouring pairs that have a merge the one with the lowest rank (leftmost among equals) is joined, until
// none is left. n log n in the length of a word.
#pragma once

#include "core/text/model.h"

#include <utility>

namespace qs::text {

struct BpeOptions {
    std::string unknown; ///< "" when there is none
    std::string prefix;  ///< continuing_subword_prefix
    std::string suffix;  ///< end_of_word_suffix
    bool fuseUnknown = false;
    bool byteFallback = false;
    bool ignoreMerges = false;
    /// The file's "dropout" when it is not 0. It makes merges fail at random, which is meant for training, so
    /// it is left out; the description says so.
    std::string droppedOut;
};

using BpeMerge = std::pair<std::string, std::string>;

/// `merges` by rank. Error::corrupt when a part or the joined piece is not in the vocabulary.
Result<std::shared_ptr<const TokenModel>> makeBpe(Vocabulary vocabulary, const std::vector<BpeMerge>& merges,
                                                  BpeOptions options, const std::string& where);

/// The "model" object of type BPE. Merges as "a b" or ["a", "b"].
Result<std::shared_ptr<const TokenModel>> parseBpe(const nlohmann::json& json, const std::string& where);

} // namespace qs::text
