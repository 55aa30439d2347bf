// SPDX-License-Identifier: Apache-2.0
#include "core/text/vocabulary.h"

#include <fmt/format.h>

namespace qs::text {

Result<void> Vocabulary::addHidden(std::string piece, long long id, const std::string& where) {
    if (id < 0 || id > kMaxTokenId)
        return Error::corrupt(fmt::format("token ids are 0 to {}, '{}' has {}", kMaxTokenId, piece, id),
                              where);
    if (piece.size() > kMaxPieceBytes)
        return Error::corrupt(
            fmt::format("a token may have {} bytes, id {} has {}", kMaxPieceBytes, id, piece.size()), where);
    const auto at = size_t(id);
    if (at < byId_.size() && byId_[at])
        return Error::corrupt(fmt::format("id {} is given to '{}' and to '{}'", id, *byId_[at], piece),
                              where);
    if (at >= byId_.size()) byId_.resize(at + 1, nullptr);
    pieces_.push_back(std::move(piece));
    byId_[at] = &pieces_.back();
    return {};
}

Result<void> Vocabulary::add(std::string piece, long long id, const std::string& where) {
    if (const int other = find(piece); other >= 0)
        return Error::corrupt(fmt::format("'{}' has two ids, {} and {}", piece, other, id), where);
    QS_CHECK(addHidden(std::move(piece), id, where));
    index_.emplace(pieces_.back(), int(id));
    return {};
}

int Vocabulary::find(std::string_view piece) const {
    const auto it = index_.find(piece);
    return it == index_.end() ? -1 : it->second;
}

const std::string* Vocabulary::piece(int id) const {
    return id >= 0 && size_t(id) < byId_.size() ? byId_[size_t(id)] : nullptr;
}

} // namespace qs::text
