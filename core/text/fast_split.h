// SPDX-License-Identifier: Apache-2.0
// Hand-written matchers for the three expressions of word_patterns.h, which most models use. They find what
// Oniguruma finds, with its own character classes, many times faster.
#pragma once

#include "core/text/regex.h"

#include <optional>
#include <string_view>
#include <vector>

namespace qs::text {

class FastSplitter {
public:
    /// Nothing when the expression is not one of the three.
    static std::optional<FastSplitter> of(std::string_view expression);
    /// As Pattern::findAll: the matches cover the whole text (valid UTF-8).
    void split(std::string_view text, std::vector<Stretch>& out) const;

private:
    explicit FastSplitter(unsigned digits) : digits_(digits) {}
    /// Numbers that one match may hold; 0: the expression of GPT-2.
    unsigned digits_;
};

} // namespace qs::text
