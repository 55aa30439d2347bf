// SPDX-License-Identifier: Apache-2.0
// One command of the program: how it is declared, checked and run. One file per group of commands defines an
// addX function; main calls them in the order of the help page.
#pragma once

#include "app/cli/console.h"
#include "core/backend/backend.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

namespace qs::cli {

/// What a running command works with.
struct Session {
    Console& console;
    JobContext job; ///< stops on Ctrl-C, reports on the progress line
    /// Set by a command that answered "no" (an invalid plan, a failed verification) and has shown why.
    int exitCode = kOk;
};

/// Declared commands, by their subcommand.
class Commands {
public:
    using Action = std::function<Result<void>(Session&)>;

    explicit Commands(CLI::App& app) : app_(app) {}
    /// Declares a command with --json. `examples` are lines without the program's name. `action` runs after
    /// parsing.
    CLI::App& add(const std::string& name, const std::string& summary,
                  const std::vector<std::string>& examples, Action action);
    /// The action of the command that was given, empty when none was.
    Action chosen() const;

private:
    CLI::App& app_;
    std::vector<std::pair<CLI::App*, Action>> actions_;
    bool json_ =
        false; ///< target of --json; main reads the flag before parsing, to report even parse errors in JSON
};

/// A usage error found after parsing (exit code 2), naming the flag. To be thrown from CLI11 callbacks only.
[[noreturn]] void refuseUsage(const std::string& flag, const std::string& message);

/// --device, --threads and --precision.
struct BackendOptions {
    std::string device = "auto";
    int threads = 0;
    std::string precision = precisionName(Precision::F32);
    void add(CLI::App& app);
    /// --device and --threads alone.
    void addDevice(CLI::App& app);
    Result<std::unique_ptr<Backend>> make() const;
};

void addInspect(Commands& commands);
void addCalibrate(Commands& commands);
void addImatrix(Commands& commands);
void addRotate(Commands& commands);
void addPlan(Commands& commands);
void addSensitivity(Commands& commands);
void addAllocate(Commands& commands);
void addRecipe(Commands& commands);
void addQuantize(Commands& commands);
void addEvaluate(Commands& commands);
void addCompare(Commands& commands);
void addReport(Commands& commands);
void addLaws(Commands& commands);
void addExport(Commands& commands);
void addVerify(Commands& commands);
void addGenerate(Commands& commands);
void addLogits(Commands& commands);
void addTokenize(Commands& commands);
void addDetokenize(Commands& commands);
void addList(Commands& commands);
void addDemo(Commands& commands);
void addSelftest(Commands& commands);
void addBench(Commands& commands);

} // namespace qs::cli
