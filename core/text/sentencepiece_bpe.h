// SPDX-License-Identifier: Apache-2.0
// SentencePiece's BPE (Kudo & Richardson 2018; bpe_model.cc): of all neighbouring symbols whose concatenation
// is a piece the pair whose piece has the highest score is joined (leftmost among equals). User-defined
// pieces are found first, longest first, and stay whole. Unused pieces are taken apart again the way they
// were put together.
#pragma once

#include "core/base/result.h"
#include "core/text/sentencepiece_proto.h"
#include "core/text/spelling_trie.h"
#include "core/text/vocabulary.h"

#include <array>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qs::text {

/// Immutable and thread-safe.
class SentencePieceBpe {
public:
    /// The rules of the library's own loader: one UNKNOWN piece, no piece twice, all 256 byte pieces if and
    /// only if byte_fallback.
    static Result<SentencePieceBpe> make(const SentencePieceProto& proto, const std::string& where);

    /// Ids of a normalized text (valid UTF-8, spaces as "▁").
    Result<std::vector<int>> encode(std::string_view text) const;

    const Vocabulary& vocabulary() const { return vocabulary_; }
    PieceType type(int id) const { return types_[size_t(id)]; }
    int unknownId() const { return unknown_; }
    /// Value of a byte piece.
    int byteOf(int id) const;
    /// User-defined pieces.
    const SpellingTrie& userDefined() const { return userDefined_; }

private:
    struct Symbol {
        std::string_view piece; // empty once joined to the one before it
        int previous = -1, next = -1;
        bool frozen = false;
    };
    struct Candidate {
        float score;
        int left, right;
        size_t size;
        // std::push_heap keeps the largest on top.
        bool operator<(const Candidate& o) const {
            return score < o.score || (score == o.score && left > o.left);
        }
    };
    using Parts = std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>>;
    struct Scratch {
        std::vector<Symbol> symbols;
        std::vector<Candidate> heap;
        Parts unused; // unused piece -> what it was made of
    };

    Result<void> addPiece(const ScoredPiece& piece, int id, bool byteFallback, const std::string& where);
    void encodeWord(std::string_view word, Scratch& scratch, std::vector<int>& ids) const;
    void addSymbols(std::string_view word, std::vector<Symbol>& symbols) const;
    void propose(int left, int right, Scratch& scratch) const;
    void merge(Scratch& scratch) const;
    void emit(std::string_view piece, const Parts& unused, bool& afterUnknown, std::vector<int>& ids) const;

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
