// SPDX-License-Identifier: Apache-2.0
// What tokenizer.model holds: sentencepiece_model.proto (proto2) of google/sentencepiece, the fields that
// change ids or text.
#pragma once

#include "core/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace qs::text {

enum class PieceType { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };
enum class SentencePieceKind { Unigram = 1, Bpe = 2, Word = 3, Char = 4 };

struct ScoredPiece {
    std::string text;
    float score = 0; ///< finite
    PieceType type = PieceType::Normal;
};

struct SentencePieceProto {
    std::vector<ScoredPiece> pieces; ///< index = id
    SentencePieceKind kind = SentencePieceKind::Unigram;
    bool whitespaceAsSuffix = false;
    bool byteFallback = false;
    std::string unknownSurface = " \xE2\x81\x87 ";
    std::string bosPiece = "<s>", eosPiece = "</s>";
    std::string charsmap; ///< normalizer_spec.precompiled_charsmap
    bool addDummyPrefix = true;
    bool removeExtraWhitespaces = true;
    bool escapeWhitespaces = true;
    bool hasDenormalizer = false; ///< denormalizer_spec has a character map

    struct Sample {
        std::string input, expected; ///< text, and its pieces joined by spaces
    };
    std::vector<Sample> samples; ///< self_test_data

    /// Error::corrupt when the wire format or a value breaks the rules, naming the field.
    static Result<SentencePieceProto> parse(std::string_view bytes, const std::string& where);
};

} // namespace qs::text
