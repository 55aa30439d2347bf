// SPDX-License-Identifier: Apache-2.0
// MergeTable: (left id, right id) -> rank, the inner loop's only lookup. Open addressing in one array.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace qs::text {

class MergeTable {
public:
    static constexpr uint32_t kNone = UINT32_MAX;

    explicit MergeTable(size_t expected = 0)
        : slots_(std::bit_ceil(2 * expected + 8)), shift_(64 - unsigned(std::bit_width(slots_.size() - 1))) {}

    /// A later rank replaces an earlier one. At most `expected` different pairs.
    void set(int left, int right, uint32_t rank) {
        Slot& s = slots_[indexOf(key(left, right))];
        s = {key(left, right), rank};
    }
    /// kNone when the pair does not merge.
    uint32_t rank(int left, int right) const { return slots_[indexOf(key(left, right))].rank; }

private:
    struct Slot {
        uint64_t key = 0;
        uint32_t rank = kNone;
    };
    static uint64_t key(int left, int right) { return uint64_t(uint32_t(left)) << 32 | uint32_t(right); }
    size_t indexOf(uint64_t k) const {
        size_t i = size_t((k * 0x9E3779B97F4A7C15ull) >> shift_);
        while (slots_[i].rank != kNone && slots_[i].key != k)
            i = (i + 1) & (slots_.size() - 1);
        return i;
    }

    std::vector<Slot> slots_;
    unsigned shift_;
};

} // namespace qs::text
