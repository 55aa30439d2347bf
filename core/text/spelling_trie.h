// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace qs::text {

/// A byte trie over spellings.
class SpellingTrie {
public:
    void insert(std::string_view spelling, int value);
    bool empty() const { return nodes_.size() == 1; }
    /// Longest spelling that starts at `pos`: its length (0 when none) and value.
    size_t longest(std::string_view text, size_t pos, int& value) const;

private:
    struct Node {
        std::vector<std::pair<unsigned char, unsigned>> edges; // sorted by byte
        int value = -1;
    };
    std::vector<Node> nodes_{1};
    std::array<bool, 256> starts_{};
};

} // namespace qs::text
