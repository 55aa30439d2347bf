// SPDX-License-Identifier: Apache-2.0
// TokenModel: what turns words into ids. One file per family (bpe.h, unigram.h, word_models.h); a new one is
// a class and a case in parseTokenModel.
#pragma once

#include "core/base/result.h"
#include "core/text/pre_tokens.h"
#include "core/text/vocabulary.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <vector>

namespace qs::text {

/// Immutable and thread-safe.
class TokenModel {
public:
    virtual ~TokenModel() = default;
    /// Appends the ids of all pieces in order; pieces that are added tokens give their own id.
    virtual Result<void> encode(const PreTokens& tokens, std::vector<int>& ids) const = 0;
    virtual const Vocabulary& vocabulary() const = 0;
    /// "<0x0A>" in the vocabulary stands for a byte.
    virtual bool hasByteFallback() const = 0;
    /// "BPE", "Unigram", "WordPiece", "WordLevel".
    virtual std::string family() const = 0;
};

/// "vocab" as an object {piece: id}.
Result<Vocabulary> parseVocabulary(const nlohmann::json& model, const std::string& where);

/// The "model" object of tokenizer.json.
Result<std::shared_ptr<const TokenModel>> parseTokenModel(const nlohmann::json& json,
                                                          const std::string& where);

} // namespace qs::text
