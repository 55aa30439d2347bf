// SPDX-License-Identifier: Apache-2.0
// NameIndex: which position a name has in a list. Sorted hashes instead of a hash table: names from a hostile
// file that all collide cost a few string comparisons, not quadratic time.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace qs {

/// Immutable and thread-safe after construction. Keeps views: the names must outlive it and stay where they
/// are.
class NameIndex {
public:
    static constexpr size_t npos = size_t(-1);

    NameIndex() = default;
    explicit NameIndex(std::vector<std::string_view> names);

    /// Position in the list given, or npos. Of equal names the first.
    size_t find(std::string_view name) const;
    /// Positions (earlier, later) of two equal names, or (npos, npos).
    std::pair<size_t, size_t> duplicate() const;

private:
    struct Slot {
        uint64_t hash;
        size_t position;
    };
    std::vector<std::string_view> names_;
    std::vector<Slot> slots_; // by hash, name, position
};

} // namespace qs
