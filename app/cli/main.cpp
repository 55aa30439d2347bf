// SPDX-License-Identifier: Apache-2.0
// quantoscope-cli: the engine without a window. Same recipes, same results.
#include "app/cli/command.h"
#include "app/cli/help.h"
#include "app/cli/interrupt.h"

#include <cstring>

namespace {

using namespace qs;
using namespace qs::cli;

constexpr const char* kProgram = "quantoscope-cli";

/// --json decides how even a parse error is reported, so it is looked for before parsing.
bool wantsJson(int argc, char** argv) {
    for (int i = 1; i < argc && std::strcmp(argv[i], "--") != 0; ++i)
        if (std::strcmp(argv[i], "--json") == 0) return true;
    return false;
}

void declare(CLI::App& app, Commands& commands) {
    app.set_version_flag("--version", std::string("quantoscope-cli " QS_VERSION),
                         "Print the version and exit");
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.require_subcommand(1);
    app.formatter(std::make_shared<HelpFormatter>());
    addInspect(commands);
    addCalibrate(commands);
    addImatrix(commands);
    addRotate(commands);
    addPlan(commands);
    addSensitivity(commands);
    addAllocate(commands);
    addRecipe(commands);
    addQuantize(commands);
    addEvaluate(commands);
    addCompare(commands);
    addReport(commands);
    addLaws(commands);
    addExport(commands);
    addVerify(commands);
    addGenerate(commands);
    addLogits(commands);
    addTokenize(commands);
    addDetokenize(commands);
    addList(commands);
    addDemo(commands);
    addSelftest(commands);
    addBench(commands);
    app.footer("Exit codes: 0 done, 1 failed or cancelled, 2 wrong usage.\n"
               "`quantoscope-cli COMMAND --help` shows a command's options and examples.");
}

int usageError(const CLI::App& app, const CLI::ParseError& e, Console& console) {
    std::string help = kProgram;
    for (const CLI::App* sub : app.get_subcommands())
        help += " " + sub->get_name();
    // CLI11 only says that a command is missing, not that the word given is none.
    const auto unknown = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
    console.error("usage", unknown.empty() ? e.what() : "unknown command '" + unknown.front() + "'", "");
    console.note("See `" + help + " --help`.");
    return kUsage;
}

int run(int argc, char** argv) {
    Console console(wantsJson(argc, argv));
    CLI::App app("Explore, quantize, measure and export language models.", kProgram);
    Commands commands(app);
    declare(app, commands);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return app.exit(e); // --help, --version
        return usageError(app, e, console);
    }
    Session session{console, JobContext(installInterruptHandler(), console.progress())};
    const Result<void> done = commands.chosen()(session);
    if (!done) console.error(done.error());
    if (!console.flushed()) {
        console.note("error: standard output could not be written");
        return kFailed;
    }
    return done ? session.exitCode : kFailed;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc&) {
        Console(wantsJson(argc, argv)).error({ErrorCode::OutOfMemory, "out of memory", ""});
    } catch (const std::exception& e) {
        Console(wantsJson(argc, argv)).error(Error::internal(e.what()));
    }
    return kFailed;
}
