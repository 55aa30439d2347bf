// SPDX-License-Identifier: Apache-2.0
// The precompiled character map of SentencePiece (normalizer_spec.precompiled_charsmap): u32 size of a trie,
// the trie (a double array of u32 units, darts-clone), then NUL-terminated replacements that the trie's
// values point into.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qs::text {

/// Immutable and thread-safe.
class Charsmap {
public:
    /// Empty `blob`: the identity.
    static Result<Charsmap> parse(std::string_view blob, const std::string& where);

    bool empty() const { return units_.empty(); }
    /// Length of the longest rule that `text` starts with (0: none) and its replacement.
    size_t longestRule(std::string_view text, std::string_view& replacement) const;
    /// The shortest instead; a rule ends before a NUL (as the Hugging Face port of the map has it).
    size_t shortestRule(std::string_view text, std::string_view& replacement) const;

private:
    /// `found(length, value)` for the rules that `text` starts with, shortest first, while it returns true.
    template<class F>
    void eachRule(std::string_view text, F found) const;
    std::string_view replacementAt(uint32_t value) const;

    std::vector<uint32_t> units_;
    std::string replacements_;
};

} // namespace qs::text
