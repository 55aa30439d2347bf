// SPDX-License-Identifier: Apache-2.0
#include "core/text/piece_table.h"

#include "core/text/decoder.h"
#include "core/text/word_cache.h"

#include <fmt/format.h>

#include <algorithm>

namespace qs::text {

Result<PieceTable> PieceTable::make(const SentencePieceProto& proto, const std::string& where) {
    PieceTable t;
    t.byteIds_.fill(-1);
    t.byteFallback_ = proto.byteFallback;
    bool hasInner = false;
    std::vector<std::pair<std::string_view, int>> userDefined;
    for (size_t i = 0; i < proto.pieces.size(); ++i) {
        const ScoredPiece& p = proto.pieces[i];
        QS_CHECK(t.add(p, int(i), where));
        hasInner = hasInner || hasInnerMark(p.text);
        if (p.type == PieceType::UserDefined) userDefined.emplace_back(p.text, int(i));
    }
    if (t.unknown_ < 0) return Error::corrupt("no piece has type UNKNOWN", where);
    if (t.byteFallback_ && std::find(t.byteIds_.begin(), t.byteIds_.end(), -1) != t.byteIds_.end())
        return Error::corrupt("trainer_spec.byte_fallback is set, but not all 256 byte pieces are there",
                              where);
    t.userDefined_ = SpellingTrie(std::move(userDefined));
    t.cutsBeforeMark_ = !hasInner && t.vocabulary_.find(kWordMark) >= 0;
    return t;
}

Result<void> PieceTable::add(const ScoredPiece& p, int id, const std::string& where) {
    QS_CHECK(vocabulary_.add(p.text, id, where));
    types_.push_back(p.type);
    scores_.push_back(p.score);
    if (p.type == PieceType::Unknown) {
        if (unknown_ >= 0)
            return Error::corrupt(fmt::format("pieces {} and {} both have type UNKNOWN", unknown_, id),
                                  where);
        unknown_ = id;
    }
    if (p.type == PieceType::Byte) {
        const int b = byteOfPiece(p.text);
        if (!byteFallback_ || b < 0)
            return Error::corrupt(fmt::format("byte piece '{}' with byte_fallback {}", p.text, byteFallback_),
                                  where);
        byteIds_[size_t(b)] = id;
    }
    return {};
}

bool PieceTable::has(PieceType type) const {
    return std::find(types_.begin(), types_.end(), type) != types_.end();
}

int PieceTable::byteOf(int id) const {
    const std::string* piece = vocabulary_.piece(id);
    return piece && type(id) == PieceType::Byte ? byteOfPiece(*piece) : -1;
}

void PieceTable::emit(std::string_view stretch, int id, bool& afterUnknown, std::vector<int>& ids) const {
    const bool isUnknown = id < 0 || id == unknown_;
    if (!isUnknown) {
        ids.push_back(id);
    } else if (byteFallback_) {
        for (const char c : stretch)
            ids.push_back(byteIds_[static_cast<unsigned char>(c)]);
    } else if (!afterUnknown) {
        ids.push_back(unknown_);
    }
    afterUnknown = isUnknown;
}

} // namespace qs::text
