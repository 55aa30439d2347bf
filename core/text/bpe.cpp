// SPDX-License-Identifier: Apache-2.0
#include "core/text/bpe.h"

#include "core/text/json_fields.h"
#include "core/text/merge_table.h"
#include "core/text/unicode.h"
#include "core/text/word_cache.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace qs::text {

using nlohmann::json;

namespace {

constexpr size_t kMaxMerges = size_t(1) << 22;

struct Merges {
    MergeTable table;
    std::vector<int> results; ///< by rank
};

class Bpe final : public TokenModel {
public:
    Bpe(Vocabulary vocabulary, Merges merges, BpeOptions options, std::string where);

    Result<void> encode(const PreTokens& tokens, std::vector<int>& ids) const override;
    const Vocabulary& vocabulary() const override { return vocabulary_; }
    bool hasByteFallback() const override { return options_.byteFallback; }
    std::string family() const override {
        return options_.droppedOut.empty() ? "BPE" : "BPE without its dropout of " + options_.droppedOut;
    }

private:
    struct Symbol {
        int id;       // -1 once it was joined to the one before it
        int previous; // -1 at the start
        int next;     // -1 at the end
    };
    struct Scratch {
        std::vector<Symbol> symbols;
        std::vector<uint64_t> heap; // rank << 32 | position
    };

    Result<void> encodeWord(std::string_view word, Scratch& scratch, std::vector<int>& ids) const;
    Result<void> addSymbols(std::string_view word, std::vector<Symbol>& symbols) const;
    int idOfCharacter(std::string_view word, size_t at, const Decoded& d) const;
    bool addBytes(std::string_view character, std::vector<Symbol>& symbols) const;
    void merge(Scratch& scratch) const;
    void push(int left, Scratch& scratch) const;
    bool cutsBeforeMark() const;

    Vocabulary vocabulary_;
    Merges merges_;
    BpeOptions options_;
    std::string where_;
    int unknown_ = -1;
    std::array<int, 256> byteIds_{};
    std::vector<int> characterIds_; // of U+0000 .. U+FFFF
    bool cutsBeforeMark_ = false;
};

Bpe::Bpe(Vocabulary vocabulary, Merges merges, BpeOptions options, std::string where)
    : vocabulary_(std::move(vocabulary))
    , merges_(std::move(merges))
    , options_(std::move(options))
    , where_(std::move(where)) {
    if (!options_.unknown.empty()) unknown_ = vocabulary_.find(options_.unknown);
    for (size_t b = 0; b < byteIds_.size(); ++b)
        byteIds_[b] = vocabulary_.find(fmt::format("<0x{:02X}>", b));
    characterIds_.resize(0x10000, -1);
    std::string spelling;
    for (char32_t c = 0; c < characterIds_.size(); ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        spelling.clear();
        appendUtf8(spelling, c);
        characterIds_[c] = vocabulary_.find(spelling);
    }
    cutsBeforeMark_ = cutsBeforeMark();
}

// Without a pre-tokenizer a whole text is one word. It may still be cut before every "▁" that follows another
// character if no merge reaches across such a place: then both sides never interact, and short words can be
// cached.
bool Bpe::cutsBeforeMark() const {
    if (options_.ignoreMerges || !options_.prefix.empty() || !options_.suffix.empty()) return false;
    if (vocabulary_.find(kWordMark) < 0) return false;
    for (const int id : merges_.results)
        if (const std::string* piece = vocabulary_.piece(id); piece && hasInnerMark(*piece)) return false;
    return true;
}

Result<void> Bpe::encode(const PreTokens& tokens, std::vector<int>& ids) const {
    WordCache cache;
    Scratch scratch;
    for (const Piece& p : tokens.pieces) {
        if (p.token >= 0) {
            ids.push_back(p.token);
            continue;
        }
        const std::string_view text = tokens.view(p);
        if (text.size() > size_t(INT32_MAX)) return Error::unsupported("a word may have 2 GiB", where_);
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = cutsBeforeMark_ ? nextWordMark(text, begin) : text.size();
            const std::string_view word = text.substr(begin, end - begin);
            if (!cache.append(word, ids)) {
                const size_t first = ids.size();
                QS_CHECK(encodeWord(word, scratch, ids));
                cache.remember(word, ids, first);
            }
            begin = end;
        }
    }
    return {};
}

Result<void> Bpe::encodeWord(std::string_view word, Scratch& scratch, std::vector<int>& ids) const {
    if (options_.ignoreMerges) {
        if (const int id = vocabulary_.find(word); id >= 0) {
            ids.push_back(id);
            return {};
        }
    }
    QS_CHECK(addSymbols(word, scratch.symbols));
    merge(scratch);
    for (const Symbol& s : scratch.symbols)
        if (s.id >= 0) ids.push_back(s.id);
    return {};
}

int Bpe::idOfCharacter(std::string_view word, size_t at, const Decoded& d) const {
    const bool plain = options_.prefix.empty() && options_.suffix.empty();
    if (plain && d.value < characterIds_.size()) return characterIds_[d.value];
    const std::string_view character = word.substr(at, d.length);
    if (plain) return vocabulary_.find(character);
    std::string spelling = at > 0 ? options_.prefix : std::string();
    spelling += character;
    if (at + d.length == word.size()) spelling += options_.suffix;
    return vocabulary_.find(spelling);
}

bool Bpe::addBytes(std::string_view character, std::vector<Symbol>& symbols) const {
    for (const char c : character)
        if (byteIds_[static_cast<unsigned char>(c)] < 0) return false;
    for (const char c : character)
        symbols.push_back({byteIds_[static_cast<unsigned char>(c)], 0, 0});
    return true;
}

// A character that is neither in the vocabulary nor spelled in bytes becomes the unknown token, or nothing
// when there is none. As in the reference, the unknown token waits for the next known character, so bytes in
// between come before it.
Result<void> Bpe::addSymbols(std::string_view word, std::vector<Symbol>& symbols) const {
    symbols.clear();
    bool pending = false;
    for (size_t i = 0; i < word.size();) {
        const Decoded d = decodeUtf8(word, i);
        const int id = idOfCharacter(word, i, d);
        if (id >= 0) {
            if (pending) symbols.push_back({unknown_, 0, 0});
            pending = false;
            symbols.push_back({id, 0, 0});
        } else if (!(options_.byteFallback && addBytes(word.substr(i, d.length), symbols)) &&
                   !options_.unknown.empty()) {
            if (unknown_ < 0)
                return Error::corrupt(
                    fmt::format("unk_token '{}' is needed and not in the vocabulary", options_.unknown),
                    where_);
            if (pending && !options_.fuseUnknown) symbols.push_back({unknown_, 0, 0});
            pending = true;
        }
        i += d.length;
    }
    if (pending) symbols.push_back({unknown_, 0, 0});
    for (size_t i = 0; i < symbols.size(); ++i) {
        symbols[i].previous = int(i) - 1;
        symbols[i].next = i + 1 < symbols.size() ? int(i) + 1 : -1;
    }
    return {};
}

void Bpe::push(int left, Scratch& s) const {
    const uint32_t rank =
        merges_.table.rank(s.symbols[size_t(left)].id, s.symbols[size_t(s.symbols[size_t(left)].next)].id);
    if (rank == MergeTable::kNone) return;
    s.heap.push_back(uint64_t(rank) << 32 | uint32_t(left));
    std::push_heap(s.heap.begin(), s.heap.end(), std::greater<>());
}

void Bpe::merge(Scratch& s) const {
    s.heap.clear();
    for (size_t i = 0; i + 1 < s.symbols.size(); ++i) {
        const uint32_t rank = merges_.table.rank(s.symbols[i].id, s.symbols[i + 1].id);
        if (rank != MergeTable::kNone) s.heap.push_back(uint64_t(rank) << 32 | i);
    }
    std::make_heap(s.heap.begin(), s.heap.end(), std::greater<>());
    while (!s.heap.empty()) {
        const uint64_t top = s.heap.front();
        std::pop_heap(s.heap.begin(), s.heap.end(), std::greater<>());
        s.heap.pop_back();
        const int at = int(top & 0xFFFFFFFFu);
        Symbol& left = s.symbols[size_t(at)];
        if (left.id < 0 || left.next < 0) continue;
        Symbol& right = s.symbols[size_t(left.next)];
        // Stale unless the pair that stands here now gives the same token (the reference's own test).
        const uint32_t rank = merges_.table.rank(left.id, right.id);
        const int result = merges_.results[size_t(top >> 32)];
        if (rank == MergeTable::kNone || merges_.results[rank] != result) continue;
        left.id = result;
        left.next = right.next;
        right.id = -1;
        if (left.next >= 0) s.symbols[size_t(left.next)].previous = at;
        if (left.previous >= 0) push(left.previous, s);
        if (left.next >= 0) push(at, s);
    }
}

// "a b" (cut at its only space) or ["a", "b"].
Result<BpeMerge> parseMerge(const json& entry, const std::string& where) {
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string())
        return std::pair(entry[0].get<std::string>(), entry[1].get<std::string>());
    if (entry.is_string()) {
        const auto& line = entry.get_ref<const std::string&>();
        const size_t space = line.find(' ');
        if (space != std::string::npos && line.find(' ', space + 1) == std::string::npos)
            return std::pair(line.substr(0, space), line.substr(space + 1));
    }
    return Error::corrupt(fmt::format("a merge is \"a b\" or [\"a\", \"b\"], not {}", shortJson(entry)),
                          where);
}

Result<std::vector<BpeMerge>> parseMerges(const json& j, const std::string& where) {
    QS_TRY(const json* list, arrayField(j, "merges", where));
    std::vector<BpeMerge> merges;
    merges.reserve(list->size());
    for (size_t i = 0; i < list->size(); ++i) {
        const json& entry = (*list)[i];
        if (entry.is_string() && entry.get_ref<const std::string&>().starts_with("#version")) continue;
        QS_TRY(auto merge, parseMerge(entry, fmt::format("{}.merges[{}]", where, i)));
        merges.push_back(std::move(merge));
    }
    return merges;
}

Result<Merges> resolveMerges(const std::vector<BpeMerge>& list, const Vocabulary& vocabulary,
                             const std::string& prefix, const std::string& where) {
    if (list.size() > kMaxMerges)
        return Error::unsupported(fmt::format("at most {} merges, the file has {}", kMaxMerges, list.size()),
                                  where);
    Merges merges{MergeTable(list.size()), {}};
    merges.results.reserve(list.size());
    std::string joined;
    for (const auto& [a, b] : list) {
        const auto here = [&] { return fmt::format("{}.merges[{}]", where, merges.results.size()); };
        // A right part carries the continuation prefix, the joined piece does not repeat it.
        if (b.size() < prefix.size())
            return Error::corrupt(fmt::format("'{}' lacks the prefix '{}'", b, prefix), here());
        joined.assign(a).append(b, prefix.size());
        const int left = vocabulary.find(a), right = vocabulary.find(b), result = vocabulary.find(joined);
        if (left < 0 || right < 0 || result < 0)
            return Error::corrupt(fmt::format("'{}' is not in the vocabulary", left < 0    ? a
                                                                               : right < 0 ? b
                                                                                           : joined),
                                  here());
        merges.table.set(left, right, uint32_t(merges.results.size()));
        merges.results.push_back(result);
    }
    return merges;
}

} // namespace

Result<std::shared_ptr<const TokenModel>> makeBpe(Vocabulary vocabulary, const std::vector<BpeMerge>& merges,
                                                  BpeOptions options, const std::string& where) {
    QS_TRY(auto resolved, resolveMerges(merges, vocabulary, options.prefix, where));
    return std::shared_ptr<const TokenModel>(
        std::make_shared<Bpe>(std::move(vocabulary), std::move(resolved), std::move(options), where));
}

Result<std::shared_ptr<const TokenModel>> parseBpe(const json& j, const std::string& where) {
    BpeOptions options;
    if (const json* dropout = member(j, "dropout"); dropout && !dropout->is_null()) {
        if (!dropout->is_number())
            return Error::corrupt(fmt::format("'dropout' must be a number, not {}", shortJson(*dropout)),
                                  where);
        if (!(dropout->get<double>() == 0.0)) options.droppedOut = shortJson(*dropout);
    }
    QS_TRY(options.unknown, optionalString(j, "unk_token", where));
    QS_TRY(options.prefix, optionalString(j, "continuing_subword_prefix", where));
    QS_TRY(options.suffix, optionalString(j, "end_of_word_suffix", where));
    QS_TRY(options.fuseUnknown, boolField(j, "fuse_unk", false, where));
    QS_TRY(options.byteFallback, boolField(j, "byte_fallback", false, where));
    QS_TRY(options.ignoreMerges, boolField(j, "ignore_merges", false, where));
    QS_TRY(auto vocabulary, parseVocabulary(j, where));
    QS_TRY(const auto merges, parseMerges(j, where));
    return makeBpe(std::move(vocabulary), merges, std::move(options), where);
}

} // namespace qs::text
