// SPDX-License-Identifier: Apache-2.0
// The best segmentation under a unigram language model (Kudo 2018, "Subword Regularization", section 3.2):
// the pieces x_1 ... x_m of a text with the highest sum of scores (log probabilities). Of equal sums the one
// found first stands: the scan goes from left to right, and at each place from short to long.
#pragma once

#include "core/text/spelling_trie.h"
#include "core/text/unicode.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace qs::text {

struct Segment {
    size_t begin = 0, end = 0; ///< bytes
    int id = -1;               ///< -1: a character without a piece of its own
};

/// Room that calls share. Sum: the type sums are kept in, which decides close calls; SentencePiece has float,
/// Hugging Face tokenizers double.
template<class Sum>
struct ViterbiScratch {
    struct Node {
        Sum sum = 0;
        size_t begin = SIZE_MAX; ///< of the best last piece, SIZE_MAX: not reached
        int id = -1;
    };
    std::vector<Node> nodes; ///< by end
    std::vector<Segment> segments;
};

/// Fills scratch.segments for `text` (valid UTF-8). `scoreOf(id, length)` gives a piece's score as a double.
/// Time: length times the longest piece.
template<class Sum, class ScoreOf>
void segment(std::string_view text, const SpellingTrie& trie, Sum unknownScore, ScoreOf scoreOf,
             ViterbiScratch<Sum>& scratch) {
    using Node = typename ViterbiScratch<Sum>::Node;
    auto& nodes = scratch.nodes;
    nodes.assign(text.size() + 1, Node{});
    const auto improve = [&](size_t begin, size_t end, int id, double sum) {
        Node& to = nodes[end];
        if (to.begin == SIZE_MAX || sum > double(to.sum)) to = {Sum(sum), begin, id};
    };
    for (size_t at = 0; at < text.size();) {
        const size_t character = utf8Length(text, at);
        bool known = false;
        trie.each(text, at, [&](size_t length, int id) {
            improve(at, at + length, id, scoreOf(id, length) + double(nodes[at].sum));
            known = known || length == character;
        });
        if (!known) improve(at, at + character, -1, double(unknownScore + nodes[at].sum));
        at += character;
    }
    scratch.segments.clear();
    for (size_t end = text.size(); end > 0; end = nodes[end].begin)
        scratch.segments.push_back({nodes[end].begin, end, nodes[end].id});
    std::reverse(scratch.segments.begin(), scratch.segments.end());
}

} // namespace qs::text
