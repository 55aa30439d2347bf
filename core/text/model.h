// SPDX-License-Identifier: Apache-2.0
// TokenModel: what turns words into ids. One file per family; BPE is the only one so far (bpe.h). A new
// family (Unigram, WordPiece) is a class here and a case in parseTokenModel.
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
    /// "BPE".
    virtual std::string family() const = 0;
};

/// The "model" object of tokenizer.json.
Result<std::shared_ptr<const TokenModel>> parseTokenModel(const nlohmann::json& json,
                                                          const std::string& where);

} // namespace qs::text
