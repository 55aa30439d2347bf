// SPDX-License-Identifier: Apache-2.0
// Models that look words up: WordPiece (Schuster & Nakajima 2012, as BERT runs it: from left to right the
// longest piece, those inside a word with a prefix; a word that cannot be covered or is too long is one
// unknown token) and WordLevel (a word is a piece or unknown).
#pragma once

#include "core/text/model.h"

namespace qs::text {

struct WordPieceOptions {
    std::string unknown = "[UNK]";
    std::string prefix = "##";  ///< of pieces that continue a word
    size_t maxCharacters = 100; ///< longer words are unknown
};

Result<std::shared_ptr<const TokenModel>> makeWordPiece(Vocabulary vocabulary, WordPieceOptions options,
                                                        const std::string& where);

/// The "model" objects of these types.
Result<std::shared_ptr<const TokenModel>> parseWordPiece(const nlohmann::json& json,
                                                         const std::string& where);
Result<std::shared_ptr<const TokenModel>> parseWordLevel(const nlohmann::json& json,
                                                         const std::string& where);

} // namespace qs::text
