// SPDX-License-Identifier: Apache-2.0
// The SentencePiece pipeline around a model, whatever file it came from.
#pragma once

#include "core/text/sentencepiece_proto.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_config.h"

namespace qs::text {

/// What a SentencePiece model does not say itself.
struct SentencePieceSetup {
    std::string format; ///< of the file, for people: "tokenizer.model"
    std::string fingerprint;
    SpecialIds special;
    Affixes affixes;
};

/// Error::corrupt when pieces break the rules of the library's loader or self_test_data is not met.
Result<std::shared_ptr<const Tokenizer>>
makeSentencePieceTokenizer(SentencePieceProto proto, SentencePieceSetup setup, const std::string& where);

} // namespace qs::text
