// SPDX-License-Identifier: Apache-2.0
#include "core/text/spelling_trie.h"

#include <algorithm>

namespace qs::text {

void SpellingTrie::insert(std::string_view spelling, int value) {
    if (spelling.empty()) return;
    starts_[static_cast<unsigned char>(spelling[0])] = true;
    unsigned at = 0;
    for (const char c : spelling) {
        const std::pair<unsigned char, unsigned> edge{static_cast<unsigned char>(c), 0};
        auto it = std::lower_bound(nodes_[at].edges.begin(), nodes_[at].edges.end(), edge);
        if (it == nodes_[at].edges.end() || it->first != edge.first) {
            it = nodes_[at].edges.insert(it, {edge.first, unsigned(nodes_.size())});
            at = it->second; // before nodes_ moves
            nodes_.emplace_back();
        } else {
            at = it->second;
        }
    }
    nodes_[at].value = value;
}

size_t SpellingTrie::longest(std::string_view text, size_t pos, int& value) const {
    if (!starts_[static_cast<unsigned char>(text[pos])]) return 0;
    size_t length = 0;
    unsigned at = 0;
    for (size_t i = pos; i < text.size(); ++i) {
        const auto& edges = nodes_[at].edges;
        const std::pair<unsigned char, unsigned> edge{static_cast<unsigned char>(text[i]), 0};
        const auto it = std::lower_bound(edges.begin(), edges.end(), edge);
        if (it == edges.end() || it->first != edge.first) break;
        at = it->second;
        if (nodes_[at].value >= 0) {
            value = nodes_[at].value;
            length = i + 1 - pos;
        }
    }
    return length;
}

} // namespace qs::text
