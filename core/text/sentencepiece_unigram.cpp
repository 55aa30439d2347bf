// SPDX-License-Identifier: Apache-2.0
#include "core/text/sentencepiece_model.h"
#include "core/text/viterbi.h"
#include "core/text/word_cache.h"

#include <cfloat>

namespace qs::text {

namespace {

constexpr float kUnknownPenalty = 10.0f;

class SentencePieceUnigram final : public SentencePieceModel {
public:
    explicit SentencePieceUnigram(PieceTable pieces);
    Result<std::vector<int>> encode(std::string_view text) const override;

private:
    double scoreOf(int id, size_t length) const;

    SpellingTrie trie_;
    float lowest_ = FLT_MAX;
    float highest_ = FLT_MIN; // so the library starts: log probabilities leave it there
};

SentencePieceUnigram::SentencePieceUnigram(PieceTable pieces) : SentencePieceModel(std::move(pieces)) {
    std::vector<std::pair<std::string_view, int>> spellings;
    for (int id = 0; id < pieces_.count(); ++id) {
        const PieceType type = pieces_.type(id);
        if (type == PieceType::Normal) {
            lowest_ = std::min(lowest_, pieces_.score(id));
            highest_ = std::max(highest_, pieces_.score(id));
        }
        if (type == PieceType::Normal || type == PieceType::UserDefined)
            spellings.emplace_back(*pieces_.vocabulary().piece(id), id);
    }
    trie_ = SpellingTrie(std::move(spellings));
}

// The library's bonus for user-defined pieces, in its own mixture of float and double.
double SentencePieceUnigram::scoreOf(int id, size_t length) const {
    if (pieces_.type(id) == PieceType::UserDefined) return double(float(length) * highest_) - 0.1;
    return double(pieces_.score(id));
}

Result<std::vector<int>> SentencePieceUnigram::encode(std::string_view text) const {
    std::vector<int> ids;
    ids.reserve(text.size() / 3 + 8);
    ViterbiScratch<float> scratch;
    segment(
        text, trie_, lowest_ - kUnknownPenalty, [&](int id, size_t length) { return scoreOf(id, length); },
        scratch);
    bool afterUnknown = false;
    for (const Segment& s : scratch.segments)
        pieces_.emit(text.substr(s.begin, s.end - s.begin), s.id, afterUnknown, ids);
    return ids;
}

} // namespace

std::unique_ptr<const SentencePieceModel> makeSentencePieceUnigram(PieceTable pieces) {
    return std::make_unique<SentencePieceUnigram>(std::move(pieces));
}

} // namespace qs::text
