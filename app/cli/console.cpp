// SPDX-License-Identifier: Apache-2.0
#include "app/cli/console.h"

#include "app/cli/text.h"

#include <cstdio>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

namespace qs::cli {

namespace {

constexpr auto kRefresh = std::chrono::milliseconds(100);

void write(FILE* stream, const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stream);
}

size_t terminalColumns() {
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// Cuts at a code point so that the line never wraps and a half character is never written.
std::string cutToWidth(const std::string& text, size_t width) {
    size_t used = 0;
    for (size_t i = 0; i < text.size(); ++i)
        if ((text[i] & 0xC0) != 0x80 && used++ == width) return text.substr(0, i);
    return text;
}

} // namespace

/// The one line that is rewritten in place. Shared with sinks, which may outlive the console by a moment.
struct Console::ProgressLine {
    const bool terminal = isatty(STDERR_FILENO) == 1;
    std::mutex mutex;
    bool shown = false;
    std::chrono::steady_clock::time_point last;

    void show(const Progress& p) {
        if (!terminal) return;
        const std::lock_guard lock(mutex);
        const auto now = std::chrono::steady_clock::now();
        if (shown && now - last < kRefresh) return;
        std::string line = fmt::format("{:3.0f} %  {}", 100 * p.fraction(), p.phase);
        if (p.secondsLeft >= 0) line += fmt::format(", {} left", humanSeconds(p.secondsLeft));
        write(stderr, "\r\033[K" + cutToWidth(line, terminalColumns() - 1));
        std::fflush(stderr);
        shown = true;
        last = now;
    }

    void clear() {
        const std::lock_guard lock(mutex);
        if (shown) write(stderr, "\r\033[K");
        shown = false;
    }
};

Console::Console(bool json) : json_(json), line_(std::make_shared<ProgressLine>()) {}
Console::~Console() {
    clearProgress();
}

void Console::text(const std::string& text) {
    if (json_) return;
    clearProgress();
    write(stdout, text);
    std::fflush(stdout);
}

void Console::result(const nlohmann::json& value) {
    if (!json_) return;
    // File names need not be UTF-8; the output must be.
    write(stdout, value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void Console::note(const std::string& text) {
    clearProgress();
    write(stderr, text + "\n");
}

void Console::error(const std::string& code, const std::string& message, const std::string& where) {
    const std::string line = where.empty() ? message : where + ": " + message;
    note(code == errorCodeName(ErrorCode::Cancelled) ? line : "error: " + line);
    result({{"error", {{"code", code}, {"message", message}, {"where", where}}}});
}

void Console::error(const Error& e) {
    error(errorCodeName(e.code), e.message, e.where);
}

ProgressSink Console::progress() {
    return [line = line_](const Progress& p) { line->show(p); };
}

void Console::clearProgress() {
    line_->clear();
}

bool Console::flushed() {
    return std::fflush(stdout) == 0 && !std::ferror(stdout);
}

} // namespace qs::cli
