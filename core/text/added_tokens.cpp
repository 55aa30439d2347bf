// SPDX-License-Identifier: Apache-2.0
#include "core/text/added_tokens.h"

#include "core/text/json_fields.h"
#include "core/text/unicode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace qs::text {

using nlohmann::json;

namespace {
// Together with the text's length this bounds the time of a search, which looks for the longest token at
// every byte.
constexpr size_t kMaxContentBytes = 1024;
constexpr size_t kMaxAddedTokens = 1'000'000;
} // namespace

Result<AddedTokens> AddedTokens::parse(const json& list, const Vocabulary& vocabulary,
                                       const Normalizer* normalizer, const std::string& where) {
    AddedTokens tokens;
    if (list.is_null()) return tokens;
    if (!list.is_array())
        return Error::corrupt(fmt::format("must be an array, not {}", shortJson(list)), where);
    if (list.size() > kMaxAddedTokens)
        return Error::unsupported(
            fmt::format("at most {} added tokens, the file has {}", kMaxAddedTokens, list.size()), where);
    for (size_t i = 0; i < list.size(); ++i)
        QS_CHECK(tokens.add(list[i], vocabulary, normalizer, fmt::format("{}[{}]", where, i)));
    std::vector<std::pair<std::string_view, int>> raw, normalized;
    for (const auto& [id, token] : tokens.byId_)
        (token.normalized ? normalized : raw).emplace_back(token.spelling, id);
    tokens.raw_ = SpellingTrie(std::move(raw));
    tokens.normalized_ = SpellingTrie(std::move(normalized));
    return tokens;
}

Result<void> AddedTokens::add(const json& entry, const Vocabulary& vocabulary, const Normalizer* normalizer,
                              const std::string& where) {
    AddedToken t;
    QS_TRY(t.content, stringField(entry, "content", where));
    if (t.content.empty()) return {}; // the reference ignores them too
    if (t.content.size() > kMaxContentBytes)
        return Error::unsupported(fmt::format("an added token may have {} bytes, this one has {}",
                                              kMaxContentBytes, t.content.size()),
                                  where);
    QS_TRY(const long long fileId, integerField(entry, "id", 0, kMaxTokenId, where));
    QS_TRY(t.singleWord, boolField(entry, "single_word", false, where));
    QS_TRY(t.lstrip, boolField(entry, "lstrip", false, where));
    QS_TRY(t.rstrip, boolField(entry, "rstrip", false, where));
    QS_TRY(t.special, boolField(entry, "special", false, where));
    QS_TRY(t.normalized, boolField(entry, "normalized", !t.special, where));
    const int known = vocabulary.find(t.content);
    t.id = known >= 0 ? known : int(fileId);
    if (known < 0 && vocabulary.piece(t.id))
        return Error::corrupt(fmt::format("'{}' has id {}, which the model gives to '{}'", t.content, t.id,
                                          *vocabulary.piece(t.id)),
                              where);
    if (const AddedToken* other = find(t.id); other && other->content != t.content)
        return Error::corrupt(fmt::format("'{}' and '{}' both have id {}", t.content, other->content, t.id),
                              where);
    if (const AddedToken* other = find(t.content); other && other->id != t.id)
        return Error::corrupt(fmt::format("'{}' has two ids, {} and {}", t.content, other->id, t.id), where);
    t.spelling = t.content;
    if (t.normalized && normalizer) {
        NormalizedText n{t.content, growthLimit(kMaxContentBytes), false};
        QS_CHECK(normalizer->apply(n));
        if (n.text.size() > 4 * kMaxContentBytes)
            return Error::unsupported(
                fmt::format("the normalized form of '{}' has {} bytes", t.content, n.text.size()), where);
        t.spelling = std::move(n.text);
    }
    byContent_[t.content] = t.id;
    byId_[t.id] = std::move(t);
    return {};
}

const AddedToken* AddedTokens::find(int id) const {
    const auto it = byId_.find(id);
    return it == byId_.end() ? nullptr : &it->second;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
    const auto it = byContent_.find(content);
    return it == byContent_.end() ? nullptr : find(it->second);
}

namespace {

bool standsAlone(std::string_view text, size_t begin, size_t end) {
    if (begin > 0 && isWordCharacter(decodeUtf8(text, previousUtf8(text, begin)).value)) return false;
    return end >= text.size() || !isWordCharacter(decodeUtf8(text, end).value);
}

// Not further than `limit`, where the token before ends: the time stays linear.
size_t skipSpaceLeft(std::string_view text, size_t pos, size_t limit) {
    while (pos > limit) {
        const size_t previous = previousUtf8(text, pos);
        if (!isWhitespace(decodeUtf8(text, previous).value)) break;
        pos = previous;
    }
    return pos;
}

size_t skipSpaceRight(std::string_view text, size_t pos) {
    while (pos < text.size()) {
        const Decoded d = decodeUtf8(text, pos);
        if (!isWhitespace(d.value)) break;
        pos += d.length;
    }
    return pos;
}

} // namespace

std::vector<Piece> AddedTokens::cut(std::string_view text, const SpellingTrie& trie) const {
    std::vector<Piece> pieces;
    size_t done = 0;
    size_t spaceBegin = 0, spaceEnd = 0; // the whitespace last looked at, so that none is read twice
    for (size_t i = 0; i < text.size() && !trie.empty();) {
        int id = -1;
        const size_t length = trie.longest(text, i, id);
        if (length == 0) {
            ++i;
            continue;
        }
        const AddedToken& token = byId_.at(id);
        size_t begin = i, end = i + length;
        i = end;
        if (token.singleWord && !standsAlone(text, begin, end)) continue;
        if (token.lstrip) begin = std::max(skipSpaceLeft(text, begin, done), done);
        if (token.rstrip) {
            if (end < spaceBegin || end > spaceEnd || spaceEnd == 0) {
                spaceBegin = end;
                spaceEnd = skipSpaceRight(text, end);
            }
            end = spaceEnd;
        }
        if (begin > end) continue;
        // A match inside whitespace that the token before it swallowed counts all the same, and the text goes
        // on after it: so does the reference.
        if (done < begin) pieces.push_back({done, begin, -1, done == 0});
        pieces.push_back({begin, end, id, begin == 0});
        done = end;
    }
    if (done < text.size()) pieces.push_back({done, text.size(), -1, done == 0});
    return pieces;
}

Result<PreTokens> AddedTokens::extract(std::string_view text, const Normalizer* normalizer) const {
    PreTokens out;
    out.limit = growthLimit(text.size());
    out.text.reserve(text.size() + text.size() / 4);
    for (const Piece& p : cut(text, raw_)) {
        const std::string_view part = text.substr(p.begin, p.end - p.begin);
        const size_t base = out.text.size();
        if (p.token >= 0) {
            out.text += part;
            if (out.text.size() > out.limit) return grewTooMuch("added_tokens");
            out.pieces.push_back({base, out.text.size(), p.token, p.atStart});
            continue;
        }
        NormalizedText n{std::string(part), growthLimit(part.size()), false};
        if (normalizer) QS_CHECK(normalizer->apply(n));
        out.text += n.text;
        if (out.text.size() > out.limit) return grewTooMuch("normalizer");
        for (const Piece& q : cut(n.text, normalized_))
            out.pieces.push_back(
                {base + q.begin, base + q.end, q.token, p.atStart && q.begin == 0 && !n.headRemoved});
    }
    return out;
}

} // namespace qs::text
