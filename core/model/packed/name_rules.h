// SPDX-License-Identifier: Apache-2.0
// How quantization settings name modules: regular expressions, lists of names, skip lists.
#pragma once

#include "core/text/regex.h"

#include <string>
#include <vector>

namespace qs {

/// A regular expression that must match from the first character on but not to the last, as Python's
/// re.match: the rule of GPTQ's `dynamic` and of compressed-tensors' "re:" targets. Matching runs under the
/// step limits of text::Pattern.
class StartPattern {
public:
    /// Unsupported when Oniguruma cannot compile it; `where` goes into errors.
    static Result<StartPattern> compile(const std::string& expression, const std::string& where);
    Result<bool> matches(const std::string& name) const;

private:
    explicit StartPattern(text::Pattern pattern) : pattern_(std::move(pattern)) {}
    text::Pattern pattern_;
};

/// True when `entry` of a skip list names `module` in whole dotted parts: itself, a part of it, or something
/// that holds it ("mlp.gate" names "model.layers.3.mlp.gate", not "...mlp.gate_proj"). Runtimes differ in
/// looser matches (substrings, expressions); whatever they do, these are skipped by all of them.
bool skipEntryNames(const std::string& entry, const std::string& module);

/// The first entry that names the module, or nullptr.
const std::string* findSkipEntry(const std::vector<std::string>& entries, const std::string& module);

/// compressed-tensors' `targets` and `ignore`: exact module names, "re:" expressions and class names.
class NameTargets {
public:
    /// How closely a list names a module; a closer one wins.
    enum class Match { None, Class, Pattern, Exact };

    static Result<NameTargets> parse(const std::vector<std::string>& entries, const std::string& where);
    /// Every module asked for is a linear, so that the class "Linear" names all.
    Result<Match> match(const std::string& module) const;

private:
    std::vector<std::string> names_; // sorted
    std::vector<StartPattern> patterns_;
    bool linears_ = false;
};

} // namespace qs
