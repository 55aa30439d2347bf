// SPDX-License-Identifier: Apache-2.0
// What the program says: results on stdout, problems and progress on stderr. With --json stdout carries
// exactly one JSON value and nothing else.
#pragma once

#include "core/base/job.h"

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>

namespace qs::cli {

/// Exit codes; scripts rely on them.
enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2 };

/// Thread-safe where it says so; otherwise for the main thread.
class Console {
public:
    explicit Console(bool json);
    ~Console();

    bool json() const { return json_; }
    /// For people: stdout, dropped with --json.
    void text(const std::string& text);
    /// For programs: stdout, only with --json.
    void result(const nlohmann::json& value);
    /// A line on stderr, in both modes: warnings, notes on what is reused or resumed.
    void note(const std::string& text);
    /// The error on stderr and, with --json, as {"error": {code, message, where}} on stdout.
    void error(const std::string& code, const std::string& message, const std::string& where);
    void error(const Error& error);

    /// Shows one line of progress when stderr is a terminal; thread-safe.
    ProgressSink progress();
    /// Removes the progress line.
    void clearProgress();
    /// False when stdout could not be written (a full disk, a closed pipe).
    bool flushed();

private:
    struct ProgressLine;
    bool json_;
    std::shared_ptr<ProgressLine> line_;
};

} // namespace qs::cli
