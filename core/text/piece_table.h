// SPDX-License-Identifier: Apache-2.0
// PieceTable: the pieces of a SentencePiece model by text and by id, and what a piece becomes in the output.
#pragma once

#include "core/base/result.h"
#include "core/text/sentencepiece_proto.h"
#include "core/text/spelling_trie.h"
#include "core/text/vocabulary.h"

#include <array>
#include <string_view>
#include <vector>

namespace qs::text {

/// Immutable and thread-safe.
class PieceTable {
public:
    /// The rules of the library's own loader: one UNKNOWN piece, no piece twice, all 256 byte pieces if and
    /// only if byte_fallback.
    static Result<PieceTable> make(const SentencePieceProto& proto, const std::string& where);

    const Vocabulary& vocabulary() const { return vocabulary_; }
    PieceType type(int id) const { return types_[size_t(id)]; }
    float score(int id) const { return scores_[size_t(id)]; }
    int count() const { return int(types_.size()); }
    int unknownId() const { return unknown_; }
    bool byteFallback() const { return byteFallback_; }
    bool has(PieceType type) const;
    /// Value of a byte piece, else -1.
    int byteOf(int id) const;
    /// User-defined pieces.
    const SpellingTrie& userDefined() const { return userDefined_; }
    /// Whether a text may be cut before every "▁" that follows another character: no piece reaches across.
    bool cutsBeforeMark() const { return cutsBeforeMark_; }

    /// Appends a stretch of text that became `id` (-1 or the unknown id: not known). Unknown stretches are
    /// spelled in bytes, or the neighbours among them become one unknown token; `afterUnknown` carries that
    /// from call to call.
    void emit(std::string_view stretch, int id, bool& afterUnknown, std::vector<int>& ids) const;

private:
    Result<void> add(const ScoredPiece& piece, int id, const std::string& where);

    Vocabulary vocabulary_;
    std::vector<PieceType> types_;
    std::vector<float> scores_;
    SpellingTrie userDefined_;
    std::array<int, 256> byteIds_{};
    int unknown_ = -1;
    bool byteFallback_ = false;
    bool cutsBeforeMark_ = false;
};

} // namespace qs::text
