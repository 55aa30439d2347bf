// SPDX-License-Identifier: Apache-2.0
#include "core/text/sentencepiece_model.h"
#include "core/text/unicode.h"
#include "core/text/word_cache.h"

#include <algorithm>
#include <unordered_map>

namespace qs::text {

namespace {

class SentencePieceBpe final : public SentencePieceModel {
public:
    // What an unused piece was made of is remembered per text, so then a text is not cut into words.
    explicit SentencePieceBpe(PieceTable pieces)
        : SentencePieceModel(std::move(pieces))
        , cutsBeforeMark_(pieces_.cutsBeforeMark() && !pieces_.has(PieceType::Unused)) {}

    Result<std::vector<int>> encode(std::string_view text) const override;

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

    void encodeWord(std::string_view word, Scratch& scratch, std::vector<int>& ids) const;
    void addSymbols(std::string_view word, std::vector<Symbol>& symbols) const;
    void propose(int left, int right, Scratch& scratch) const;
    void merge(Scratch& scratch) const;
    void emit(std::string_view piece, const Parts& unused, bool& afterUnknown, std::vector<int>& ids) const;

    bool cutsBeforeMark_;
};

Result<std::vector<int>> SentencePieceBpe::encode(std::string_view text) const {
    if (text.size() > size_t(INT32_MAX)) return Error::unsupported("a text may have 2 GiB");
    std::vector<int> ids;
    ids.reserve(text.size() / 3 + 8);
    WordCache cache;
    Scratch scratch;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = cutsBeforeMark_ ? nextWordMark(text, begin) : text.size();
        const std::string_view word = text.substr(begin, end - begin);
        if (!cache.append(word, ids)) {
            const size_t first = ids.size();
            encodeWord(word, scratch, ids);
            cache.remember(word, ids, first);
        }
        begin = end;
    }
    return ids;
}

void SentencePieceBpe::encodeWord(std::string_view word, Scratch& scratch, std::vector<int>& ids) const {
    scratch.heap.clear();
    scratch.unused.clear();
    addSymbols(word, scratch.symbols);
    merge(scratch);
    bool afterUnknown = false;
    for (const Symbol& s : scratch.symbols)
        if (!s.piece.empty()) emit(s.piece, scratch.unused, afterUnknown, ids);
}

void SentencePieceBpe::addSymbols(std::string_view word, std::vector<Symbol>& symbols) const {
    symbols.clear();
    for (size_t i = 0; i < word.size();) {
        Symbol s;
        int id = -1;
        size_t length = pieces_.userDefined().longest(word, i, id);
        s.frozen = length > 0;
        if (length == 0) length = utf8Length(word, i);
        s.piece = word.substr(i, length);
        s.previous = int(symbols.size()) - 1;
        i += length;
        s.next = i < word.size() ? int(symbols.size()) + 1 : -1;
        symbols.push_back(s);
    }
}

void SentencePieceBpe::propose(int left, int right, Scratch& s) const {
    if (left < 0 || right < 0) return;
    const Symbol &a = s.symbols[size_t(left)], &b = s.symbols[size_t(right)];
    if (a.frozen || b.frozen) return;
    // Neighbours lie side by side in the text.
    const std::string_view joined(a.piece.data(), a.piece.size() + b.piece.size());
    const int id = pieces_.vocabulary().find(joined);
    if (id < 0) return;
    const PieceType type = pieces_.type(id);
    if (type != PieceType::Normal && type != PieceType::UserDefined && type != PieceType::Unused) return;
    s.heap.push_back({pieces_.score(id), left, right, joined.size()});
    std::push_heap(s.heap.begin(), s.heap.end());
    if (type == PieceType::Unused) s.unused[joined] = {a.piece, b.piece};
}

void SentencePieceBpe::merge(Scratch& s) const {
    for (size_t i = 1; i < s.symbols.size(); ++i)
        propose(int(i) - 1, int(i), s);
    while (!s.heap.empty()) {
        const Candidate top = s.heap.front();
        std::pop_heap(s.heap.begin(), s.heap.end());
        s.heap.pop_back();
        Symbol &a = s.symbols[size_t(top.left)], &b = s.symbols[size_t(top.right)];
        if (a.piece.empty() || b.piece.empty() || a.piece.size() + b.piece.size() != top.size) continue;
        a.piece = {a.piece.data(), top.size};
        a.next = b.next;
        if (a.next >= 0) s.symbols[size_t(a.next)].previous = top.left;
        b.piece = {};
        propose(a.previous, top.left, s);
        propose(top.left, a.next, s);
    }
}

void SentencePieceBpe::emit(std::string_view piece, const Parts& unused, bool& afterUnknown,
                            std::vector<int>& ids) const {
    std::vector<std::string_view> stack{piece};
    while (!stack.empty()) {
        const std::string_view p = stack.back();
        stack.pop_back();
        const int id = pieces_.vocabulary().find(p);
        if (id >= 0 && pieces_.type(id) == PieceType::Unused) {
            if (const auto it = unused.find(p); it != unused.end()) {
                stack.push_back(it->second.second);
                stack.push_back(it->second.first);
                continue;
            }
        }
        pieces_.emit(p, id, afterUnknown, ids);
    }
}

} // namespace

std::unique_ptr<const SentencePieceModel> makeSentencePieceBpe(PieceTable pieces) {
    return std::make_unique<SentencePieceBpe>(std::move(pieces));
}

} // namespace qs::text
