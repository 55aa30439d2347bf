// SPDX-License-Identifier: Apache-2.0
#include "core/text/unigram.h"

#include "core/text/json_fields.h"
#include "core/text/viterbi.h"
#include "core/text/word_cache.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>

namespace qs::text {

using nlohmann::json;

namespace {

constexpr double kUnknownPenalty = 10.0;

class Unigram final : public TokenModel {
public:
    Unigram(Vocabulary vocabulary, std::vector<double> scores, int unknown, bool byteFallback,
            std::string where);

    Result<void> encode(const PreTokens& tokens, std::vector<int>& ids) const override;
    const Vocabulary& vocabulary() const override { return vocabulary_; }
    bool hasByteFallback() const override { return byteFallback_; }
    std::string family() const override { return "Unigram"; }

private:
    Result<void> encodeWord(std::string_view word, ViterbiScratch<double>& scratch,
                            std::vector<int>& ids) const;
    Result<void> emitUnknown(std::string_view stretch, std::vector<int>& ids) const;

    Vocabulary vocabulary_;
    std::vector<double> scores_;
    SpellingTrie trie_;
    std::array<int, 256> byteIds_{};
    double lowest_ = HUGE_VAL;
    int unknown_;
    bool byteFallback_;
    std::string where_;
};

Unigram::Unigram(Vocabulary vocabulary, std::vector<double> scores, int unknown, bool byteFallback,
                 std::string where)
    : vocabulary_(std::move(vocabulary))
    , scores_(std::move(scores))
    , unknown_(unknown)
    , byteFallback_(byteFallback)
    , where_(std::move(where)) {
    std::vector<std::pair<std::string_view, int>> spellings;
    for (int id = 0; id < vocabulary_.size(); ++id) {
        spellings.emplace_back(*vocabulary_.piece(id), id);
        lowest_ = std::min(lowest_, scores_[size_t(id)]);
    }
    trie_ = SpellingTrie(std::move(spellings));
    for (size_t b = 0; b < byteIds_.size(); ++b)
        byteIds_[b] = vocabulary_.find(fmt::format("<0x{:02X}>", b));
}

Result<void> Unigram::encode(const PreTokens& tokens, std::vector<int>& ids) const {
    WordCache cache;
    ViterbiScratch<double> scratch;
    for (const Piece& p : tokens.pieces) {
        if (p.token >= 0) {
            ids.push_back(p.token);
            continue;
        }
        const std::string_view word = tokens.view(p);
        if (cache.append(word, ids)) continue;
        const size_t first = ids.size();
        QS_CHECK(encodeWord(word, scratch, ids));
        cache.remember(word, ids, first);
    }
    return {};
}

Result<void> Unigram::encodeWord(std::string_view word, ViterbiScratch<double>& scratch,
                                 std::vector<int>& ids) const {
    segment(
        word, trie_, lowest_ - kUnknownPenalty, [&](int id, size_t) { return scores_[size_t(id)]; }, scratch);
    const auto& segments = scratch.segments;
    const auto isUnknown = [&](const Segment& s) { return s.id < 0 || s.id == unknown_; };
    for (size_t i = 0; i < segments.size();) {
        if (!isUnknown(segments[i])) {
            ids.push_back(segments[i++].id);
            continue;
        }
        const size_t begin = segments[i].begin;
        while (i < segments.size() && isUnknown(segments[i]))
            ++i;
        QS_CHECK(emitUnknown(word.substr(begin, segments[i - 1].end - begin), ids));
    }
    return {};
}

Result<void> Unigram::emitUnknown(std::string_view stretch, std::vector<int>& ids) const {
    // The reference looks the joined stretch up once more.
    if (const int id = vocabulary_.find(stretch); id >= 0) {
        ids.push_back(id);
        return {};
    }
    const auto idOf = [&](char c) { return byteIds_[static_cast<unsigned char>(c)]; };
    if (byteFallback_ && std::all_of(stretch.begin(), stretch.end(), [&](char c) { return idOf(c) >= 0; })) {
        for (const char c : stretch)
            ids.push_back(idOf(c));
        return {};
    }
    if (unknown_ < 0) return Error::corrupt("'unk_id' is needed for this text and absent", where_);
    ids.push_back(unknown_);
    return {};
}

} // namespace

Result<std::shared_ptr<const TokenModel>> parseUnigram(const json& j, const std::string& where) {
    QS_TRY(const json* list, arrayField(j, "vocab", where));
    if (list->empty() || list->size() > size_t(kMaxTokenId) + 1)
        return Error::corrupt(
            fmt::format("'vocab' must have 1 to {} entries, not {}", kMaxTokenId + 1, list->size()), where);
    Vocabulary vocabulary;
    std::vector<double> scores(list->size());
    for (size_t i = list->size(); i-- > 0;) { // of equal pieces the last is found, as in the reference
        const json& entry = (*list)[i];
        const std::string here = fmt::format("{}.vocab[{}]", where, i);
        if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
            return Error::corrupt(fmt::format("must be [piece, score], not {}", shortJson(entry)), here);
        scores[i] = entry[1].get<double>();
        if (!std::isfinite(scores[i])) return Error::corrupt("the score is not a finite number", here);
        auto piece = entry[0].get<std::string>();
        if (vocabulary.find(piece) < 0)
            QS_CHECK(vocabulary.add(std::move(piece), (long long)i, here));
        else
            QS_CHECK(vocabulary.addHidden(std::move(piece), (long long)i, here));
    }
    int unknown = -1;
    if (const json* v = member(j, "unk_id"); v && !v->is_null()) {
        QS_TRY(const auto id, integerField(j, "unk_id", 0, (long long)list->size() - 1, where));
        unknown = int(id);
    }
    QS_TRY(const bool byteFallback, boolField(j, "byte_fallback", false, where));
    return std::shared_ptr<const TokenModel>(
        std::make_shared<Unigram>(std::move(vocabulary), std::move(scores), unknown, byteFallback, where));
}

} // namespace qs::text
