// SPDX-License-Identifier: Apache-2.0
// The four model types of SentencePiece (Kudo & Richardson 2018): how a normalized text becomes pieces.
#pragma once

#include "core/text/piece_table.h"

#include <memory>

namespace qs::text {

/// Immutable and thread-safe.
class SentencePieceModel {
public:
    explicit SentencePieceModel(PieceTable pieces) : pieces_(std::move(pieces)) {}
    virtual ~SentencePieceModel() = default;
    /// Ids of a normalized text (valid UTF-8, spaces as "▁").
    virtual Result<std::vector<int>> encode(std::string_view text) const = 0;
    const PieceTable& pieces() const { return pieces_; }

protected:
    const PieceTable pieces_;
};

/// BPE (bpe_model.cc): of all neighbouring symbols whose concatenation is a piece the pair whose piece has
/// the highest score is joined (leftmost among equals). User-defined pieces are found first, longest first,
/// and stay whole. Unused pieces are taken apart again the way they were put together.
std::unique_ptr<const SentencePieceModel> makeSentencePieceBpe(PieceTable pieces);
/// UNIGRAM (unigram_model.cc): the segmentation with the highest sum of scores, see viterbi.h.
std::unique_ptr<const SentencePieceModel> makeSentencePieceUnigram(PieceTable pieces);
/// WORD (word_model.cc): cut at every "▁", before it or (treat_whitespace_as_suffix) after it.
std::unique_ptr<const SentencePieceModel> makeSentencePieceWord(PieceTable pieces, bool markIsSuffix);
/// CHAR (char_model.cc): user-defined pieces, longest first, and single characters.
std::unique_ptr<const SentencePieceModel> makeSentencePieceChar(PieceTable pieces);

/// The model that the file asks for.
Result<std::unique_ptr<const SentencePieceModel>> makeSentencePieceModel(const SentencePieceProto& proto,
                                                                         const std::string& where);
/// "Unigram", "BPE", "word", "character".
const char* kindName(SentencePieceKind kind);

} // namespace qs::text
