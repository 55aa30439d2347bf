// SPDX-License-Identifier: Apache-2.0
#include "app/cli/tokens.h"

#include "app/cli/resources.h"
#include "core/base/file.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs::cli {

namespace {

constexpr size_t kDefaultWindow = 2048;
constexpr size_t kLongestWindow = size_t(1) << 20;

size_t windowFor(const TokenOptions& options, const Model& model) {
    if (options.window > 0) return options.window;
    const size_t context = model.hasForward() ? model.spec().context : 0;
    return context >= 2 ? std::min(context, kDefaultWindow) : kDefaultWindow;
}

TokenWindows firstRows(const TokenWindows& all, size_t count) {
    TokenWindows out(std::min(count, all.rows()), all.cols());
    std::copy_n(all.data(), out.size(), out.data());
    return out;
}

/// The file gives the windows; one long row may still be cut, and --samples takes the first rows.
Result<TokenWindows> fromNpy(const TokenOptions& options) {
    QS_TRY(TokenWindows rows, windowsFromNpy(options.tokens));
    if (rows.rows() == 1 && options.window > 0 && options.window < rows.cols())
        return cutWindows(std::vector<int>(rows.data(), rows.data() + rows.size()), options.window,
                          options.samples);
    if (options.window > 0 && options.window != rows.cols())
        return Error::invalid(fmt::format("the file gives windows of {} tokens, but --window is {}",
                                          rows.cols(), options.window),
                              options.tokens);
    if (options.samples > 0 && options.samples < rows.rows()) return firstRows(rows, options.samples);
    return rows;
}

} // namespace

void TokenOptions::add(CLI::App& app, const char* builtInText, size_t defaultSamples) {
    builtInText_ = builtInText;
    samples = defaultSamples;
    CLI::Option* textOption =
        app.add_option("--text", text, "Text file (UTF-8); without it and --tokens, the built-in text")
            ->type_name("FILE");
    CLI::Option* tokensOption =
        app.add_option("--tokens", tokens, "Token ids, integer .npy [windows, length] or [length]")
            ->type_name("FILE");
    tokensOption->excludes(textOption);
    app.add_option("--window", window, "Tokens per window [the model's context, at most 2048]")
        ->type_name("INT")
        ->check(CLI::Range(size_t(2), kLongestWindow));
    app.add_option("--samples", samples, "Take the first N windows; 0 takes all")
        ->type_name("INT")
        ->capture_default_str();
    for (const char* name : {"--text", "--tokens", "--window", "--samples"})
        app.get_option(name)->group("Tokens");
}

TokenOptions TokenOptions::builtIn(const char* text, size_t samples) {
    TokenOptions o;
    o.builtInText_ = text;
    o.samples = samples;
    return o;
}

Result<TokenInput> TokenInput::load(const TokenOptions& options, const Model& model) {
    TokenInput out;
    if (!options.tokens.empty()) {
        QS_TRY(out.windows, fromNpy(options));
        out.source = options.tokens;
    } else {
        QS_CHECK(model.requireTokenizer());
        std::filesystem::path file = options.text;
        if (options.text.empty()) {
            QS_TRY(file, resourcePath(options.builtInText_));
        }
        QS_TRY(const std::string text, readTextFile(file));
        auto cut = windowsFromText(*model.tokenizer(), text, windowFor(options, model), options.samples);
        if (!cut) return cut.takeError().at(file.string());
        out.windows = std::move(cut).value();
        out.source = options.text.empty() ? "built-in text" : options.text;
    }
    if (model.hasForward()) {
        auto known = checkTokens(out.windows, model.spec().vocabulary);
        if (!known) return known.takeError().at(out.source);
    }
    return out;
}

} // namespace qs::cli
