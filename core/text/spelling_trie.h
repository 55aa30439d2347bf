// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace qs::text {

/// A byte trie over spellings, built at once. 12 bytes per node; the children of a node lie side by side,
/// sorted by byte.
class SpellingTrie {
public:
    SpellingTrie() = default;
    /// Spellings and their values (>= 0). Empty spellings are left out; of equal ones the last counts.
    explicit SpellingTrie(std::vector<std::pair<std::string_view, int>> spellings);

    bool empty() const { return nodes_.empty(); }
    /// Longest spelling that starts at `pos` (< text.size()): its length (0 when none) and value.
    size_t longest(std::string_view text, size_t pos, int& value) const;
    /// `found(length, value)` for every spelling that starts at `pos`, shortest first.
    template<class F>
    void each(std::string_view text, size_t pos, F found) const {
        uint32_t at = pos < text.size() ? roots_[static_cast<unsigned char>(text[pos])] : 0;
        for (size_t i = pos; at != 0;) {
            const Node& node = nodes_[at - 1];
            ++i;
            if (node.value >= 0) found(i - pos, node.value);
            at = i < text.size() ? child(node, static_cast<unsigned char>(text[i])) : 0;
        }
    }

private:
    struct Node {
        uint32_t children = 0; ///< index of the first
        uint16_t count = 0;
        unsigned char byte = 0;
        int32_t value = -1;
    };
    /// Index + 1, 0 when there is none.
    uint32_t child(const Node& node, unsigned char byte) const {
        uint32_t low = node.children, high = low + node.count;
        while (low < high) {
            const uint32_t middle = (low + high) / 2;
            if (nodes_[middle].byte == byte) return middle + 1;
            if (nodes_[middle].byte < byte)
                low = middle + 1;
            else
                high = middle;
        }
        return 0;
    }

    std::vector<Node> nodes_;
    std::array<uint32_t, 256> roots_{}; ///< index + 1 by first byte
};

} // namespace qs::text
