// SPDX-License-Identifier: Apache-2.0
// Where tokens come from: --text, --tokens, or a built-in text; --window and --samples.
#pragma once

#include "core/calibrate/calibration.h"

#include <CLI/CLI.hpp>

namespace qs::cli {

struct TokenOptions {
    std::string text, tokens; ///< "" = not given
    size_t window = 0;        ///< 0 = min(model context, 2048)
    size_t samples = 0;       ///< 0 = all
    /// `builtInText` is the resource used when neither --text nor --tokens is given.
    void add(CLI::App& app, const char* builtInText, size_t defaultSamples);
    /// The built-in text, for commands without these flags.
    static TokenOptions builtIn(const char* text, size_t samples);
    bool given() const { return !text.empty() || !tokens.empty(); }

private:
    friend struct TokenInput;
    const char* builtInText_ = "";
};

/// Token windows and the name of their source, for people.
struct TokenInput {
    TokenWindows windows;
    std::string source;
    /// Reads and cuts; ids are checked against the model's vocabulary.
    static Result<TokenInput> load(const TokenOptions& options, const Model& model);
};

} // namespace qs::cli
