// SPDX-License-Identifier: Apache-2.0
#include "core/text/spelling_trie.h"

#include <algorithm>
#include <deque>

namespace qs::text {

SpellingTrie::SpellingTrie(std::vector<std::pair<std::string_view, int>> spellings) {
    std::stable_sort(spellings.begin(), spellings.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    struct Range {
        size_t begin, end; // spellings that share a prefix
        size_t depth;      // its length
        size_t node;       // its node; none for the root
    };
    constexpr size_t kRoot = size_t(-1);
    std::deque<Range> open{{0, spellings.size(), 0, kRoot}};
    while (!open.empty()) { // breadth first, so children lie side by side
        Range r = open.front();
        open.pop_front();
        for (; r.begin < r.end && spellings[r.begin].first.size() == r.depth; ++r.begin)
            if (r.node != kRoot) nodes_[r.node].value = spellings[r.begin].second;
        if (r.node != kRoot) nodes_[r.node].children = uint32_t(nodes_.size());
        while (r.begin < r.end) {
            const char c = spellings[r.begin].first[r.depth];
            size_t end = r.begin;
            while (end < r.end && spellings[end].first[r.depth] == c)
                ++end;
            open.push_back({r.begin, end, r.depth + 1, nodes_.size()});
            const auto byte = static_cast<unsigned char>(c);
            if (r.node == kRoot)
                roots_[byte] = uint32_t(nodes_.size()) + 1;
            else
                ++nodes_[r.node].count;
            nodes_.push_back({0, 0, byte, -1});
            r.begin = end;
        }
    }
}

size_t SpellingTrie::longest(std::string_view text, size_t pos, int& value) const {
    size_t length = 0;
    each(text, pos, [&](size_t n, int v) {
        length = n;
        value = v;
    });
    return length;
}

} // namespace qs::text
