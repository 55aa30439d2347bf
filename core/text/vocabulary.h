// SPDX-License-Identifier: Apache-2.0
// Vocabulary: pieces and their ids, both ways.
#pragma once

#include "core/base/result.h"

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qs::text {

/// Ids are 0 .. kMaxTokenId; the largest published vocabularies have 0.3 million.
inline constexpr int kMaxTokenId = (1 << 22) - 1;
inline constexpr size_t kMaxPieceBytes = 65536;

/// Immutable once filled; then thread-safe. Ids may have gaps.
class Vocabulary {
public:
    Vocabulary() = default;
    Vocabulary(const Vocabulary&) = delete; // index_ points into pieces_
    Vocabulary& operator=(const Vocabulary&) = delete;
    Vocabulary(Vocabulary&&) = default;
    Vocabulary& operator=(Vocabulary&&) = default;

    /// Error::corrupt when the id is out of range or taken by another piece, or the piece has an id already.
    Result<void> add(std::string piece, long long id, const std::string& where);
    /// As `add`, but the piece is not found by its text (several ids may share one spelling, control pieces
    /// have none in texts).
    Result<void> addHidden(std::string piece, long long id, const std::string& where);

    /// -1 when absent.
    int find(std::string_view piece) const;
    /// null when the id is unknown.
    const std::string* piece(int id) const;
    /// Largest id + 1.
    int size() const { return int(byId_.size()); }
    size_t count() const { return pieces_.size(); }

private:
    std::deque<std::string> pieces_; // addresses stay
    std::unordered_map<std::string_view, int> index_;
    std::vector<const std::string*> byId_;
};

} // namespace qs::text
