// SPDX-License-Identifier: Apache-2.0
#include "core/text/sentencepiece_bpe.h"

#include "core/text/decoder.h"
#include "core/text/unicode.h"
#include "core/text/word_cache.h"

#include <fmt/format.h>

#include <algorithm>

namespace qs::text {

Result<SentencePieceBpe> SentencePieceBpe::make(const SentencePieceProto& proto, const std::string& where) {
    SentencePieceBpe m;
    m.byteIds_.fill(-1);
    m.byteFallback_ = proto.byteFallback;
    bool hasUnused = false, hasInner = false;
    for (size_t i = 0; i < proto.pieces.size(); ++i) {
        const ScoredPiece& p = proto.pieces[i];
        QS_CHECK(m.addPiece(p, int(i), proto.byteFallback, where));
        hasUnused = hasUnused || p.type == PieceType::Unused;
        hasInner = hasInner || hasInnerMark(p.text);
    }
    if (m.unknown_ < 0) return Error::corrupt("no piece has type UNKNOWN", where);
    if (proto.byteFallback && std::find(m.byteIds_.begin(), m.byteIds_.end(), -1) != m.byteIds_.end())
        return Error::corrupt("trainer_spec.byte_fallback is set, but not all 256 byte pieces are there",
                              where);
    // As in Bpe: cutting is exact when no piece reaches across. What an unused piece was made of is
    // remembered per text.
    m.cutsBeforeMark_ = !hasUnused && !hasInner && m.vocabulary_.find(kWordMark) >= 0;
    return m;
}

Result<void> SentencePieceBpe::addPiece(const ScoredPiece& p, int id, bool byteFallback,
                                        const std::string& where) {
    QS_CHECK(vocabulary_.add(p.text, id, where));
    types_.push_back(p.type);
    scores_.push_back(p.score);
    if (p.type == PieceType::UserDefined) userDefined_.insert(p.text, id);
    if (p.type == PieceType::Unknown) {
        if (unknown_ >= 0)
            return Error::corrupt(fmt::format("pieces {} and {} both have type UNKNOWN", unknown_, id),
                                  where);
        unknown_ = id;
    }
    if (p.type == PieceType::Byte) {
        const int b = byteOfPiece(p.text);
        if (!byteFallback || b < 0)
            return Error::corrupt(fmt::format("byte piece '{}' with byte_fallback {}", p.text, byteFallback),
                                  where);
        byteIds_[size_t(b)] = id;
    }
    return {};
}

int SentencePieceBpe::byteOf(int id) const {
    const std::string* piece = vocabulary_.piece(id);
    return piece && type(id) == PieceType::Byte ? byteOfPiece(*piece) : -1;
}

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
        size_t length = userDefined_.longest(word, i, id);
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
    const int id = vocabulary_.find(joined);
    if (id < 0) return;
    const PieceType type = types_[size_t(id)];
    if (type != PieceType::Normal && type != PieceType::UserDefined && type != PieceType::Unused) return;
    s.heap.push_back({scores_[size_t(id)], left, right, joined.size()});
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
        const int id = vocabulary_.find(p);
        if (id >= 0 && types_[size_t(id)] == PieceType::Unused) {
            if (const auto it = unused.find(p); it != unused.end()) {
                stack.push_back(it->second.second);
                stack.push_back(it->second.first);
                continue;
            }
        }
        const bool isUnknown = id < 0 || id == unknown_;
        if (!isUnknown) {
            ids.push_back(id);
        } else if (byteFallback_) {
            for (const char c : p)
                ids.push_back(byteIds_[static_cast<unsigned char>(c)]);
        } else if (!afterUnknown) {
            ids.push_back(unknown_);
        }
        afterUnknown = isUnknown;
    }
}

} // namespace qs::text
