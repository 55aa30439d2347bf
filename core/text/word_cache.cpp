// SPDX-License-Identifier: Apache-2.0
#include "core/text/word_cache.h"

#include <algorithm>

namespace qs::text {

namespace {
// Longer words hardly ever repeat.
constexpr size_t kLongestCached = 64;
} // namespace

bool hasInnerMark(std::string_view piece) {
    return nextWordMark(piece, 0) < piece.size();
}

size_t nextWordMark(std::string_view text, size_t begin) {
    size_t i = begin;
    while (text.substr(i, kWordMark.size()) == kWordMark)
        i += kWordMark.size();
    return std::min(text.find(kWordMark, i), text.size());
}

std::string spacesForMarks(std::string_view piece) {
    std::string out;
    for (size_t i = 0; i < piece.size();) {
        const bool mark = piece.substr(i, kWordMark.size()) == kWordMark;
        out += mark ? ' ' : piece[i];
        i += mark ? kWordMark.size() : 1;
    }
    return out;
}

bool WordCache::append(std::string_view word, std::vector<int>& ids) const {
    if (word.size() > kLongestCached) return false;
    const auto it = known_.find(word);
    if (it == known_.end()) return false;
    const auto first = ids_.begin() + long(it->second.begin);
    ids.insert(ids.end(), first, first + long(it->second.count));
    return true;
}

void WordCache::remember(std::string_view word, const std::vector<int>& ids, size_t first) {
    if (word.size() > kLongestCached) return;
    known_.emplace(word, Range{ids_.size(), ids.size() - first});
    ids_.insert(ids_.end(), ids.begin() + long(first), ids.end());
}

} // namespace qs::text
