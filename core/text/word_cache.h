// SPDX-License-Identifier: Apache-2.0
// WordCache: ids of the words already seen in one text. Natural text repeats few words, so most lookups hit.
// Also where a long SentencePiece-like text may be cut into words.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qs::text {

/// "▁" (U+2581), which stands for a space in SentencePiece vocabularies.
inline constexpr std::string_view kWordMark = "\xE2\x96\x81";

/// "▁" stands after another character somewhere in the piece ("a▁", but not "▁▁a").
bool hasInnerMark(std::string_view piece);
/// The next "▁" after `begin` that follows another character, or the text's end.
size_t nextWordMark(std::string_view text, size_t begin);

/// The piece with " " for every "▁".
std::string spacesForMarks(std::string_view piece);

/// For one call of an encoder. Words are views into a buffer that outlives the cache.
class WordCache {
public:
    /// Appends the word's ids if it is known.
    bool append(std::string_view word, std::vector<int>& ids) const;
    /// Remembers ids[first..] as the word's.
    void remember(std::string_view word, const std::vector<int>& ids, size_t first);

private:
    struct Range {
        size_t begin, count;
    };
    std::unordered_map<std::string_view, Range> known_;
    std::vector<int> ids_;
};

} // namespace qs::text
