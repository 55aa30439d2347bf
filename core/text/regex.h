// SPDX-License-Identifier: Apache-2.0
// Patterns of tokenizer.json: a literal string or an Oniguruma regular expression (UTF-8, its default
// syntax), which is the engine Hugging Face's tokenizers use. Patterns come from downloaded files, so
// matching runs under step and stack limits.
#pragma once

#include "core/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct re_pattern_buffer;

namespace qs::text {

class FastSplitter;

/// A stretch of a text, in bytes, that matched or lies between matches.
struct Stretch {
    size_t begin = 0, end = 0;
    bool isMatch = false;
};

/// Immutable and thread-safe.
class Pattern {
public:
    static Result<Pattern> regex(const std::string& expression, const std::string& where);
    static Result<Pattern> literal(const std::string& text, const std::string& where);
    /// {"String": "..."} or {"Regex": "..."}; a bare string is a literal.
    static Result<Pattern> fromJson(const nlohmann::json& value, const std::string& where);

    /// Appends all matches and what lies between them; together they cover `text` (valid UTF-8). An empty
    /// match right after another match is skipped. Error::unsupported when the expression needs more steps
    /// than allowed.
    Result<void> findAll(std::string_view text, std::vector<Stretch>& out) const;

private:
    struct Compiled {
        re_pattern_buffer* regex = nullptr;
        ~Compiled();
    };
    Result<void> findRegex(std::string_view text, std::vector<Stretch>& out) const;
    void findLiteral(std::string_view text, std::vector<Stretch>& out) const;

    std::string source_;
    std::string where_;
    std::shared_ptr<const Compiled> compiled_; ///< null for a literal
    std::shared_ptr<const FastSplitter> fast_; ///< finds the same, for expressions that it knows
};

} // namespace qs::text
