// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/export_report.h"
#include "app/cli/param_flags.h"
#include "app/cli/subject.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

struct ExportCommand {
    std::string run, format, output;
    ParamFlags flags;
    Params params;
};

struct VerifyCommand {
    std::string directory, run;
};

void checkExport(ExportCommand& o) {
    o.flags.refuseOthers({"exporter " + o.format});
    for (const ExporterDescriptor* exporter : exporters())
        if (exporter->id == o.format) o.params = o.flags.valuesFor(exporter->params);
}

json receiptJson(const Receipt& receipt) {
    json out = receipt.toJson();
    out["directory"] = receipt.directory.string();
    out["summary"] = receipt.summary();
    return out;
}

Result<void> runExport(Session& session, const ExportCommand& o) {
    QS_TRY(const Subject subject, openRun(o.run));
    QS_TRY(const Receipt receipt,
           exportRun(o.format, {subject.model, subject.run, o.output, o.params}, session.job));
    session.console.text(receiptText(receipt));
    session.console.result(receiptJson(receipt));
    return {};
}

/// A difference is an answer, not a failure to answer: the receipt is shown whole and the exit code is 1.
Result<void> runVerify(Session& session, const VerifyCommand& o) {
    std::filesystem::path directory = o.run;
    if (o.run.empty()) {
        QS_TRY(directory, runOfExport(o.directory));
    }
    QS_TRY(const Subject subject, openRun(directory));
    QS_TRY(const Receipt receipt, verifyExport(subject.model, subject.run, o.directory, session.job));
    session.console.text(receiptText(receipt));
    session.console.result(receiptJson(receipt));
    if (!receipt.verified) session.exitCode = kFailed;
    return {};
}

} // namespace

void addExport(Commands& commands) {
    auto o = std::make_shared<ExportCommand>();
    CLI::App& app =
        commands.add("export", "Write a finished run in a runtime's format, reopen it and compare",
                     {"export runs/gptq4 --format gptq --output exports/gptq4",
                      "export runs/gptq4 --format dequantized --output exports/plain --json"},
                     [o](Session& session) { return runExport(session, *o); });
    app.add_option("run", o->run, "Run folder made by quantize")->required();
    std::vector<std::string> formats;
    for (const ExporterDescriptor* exporter : exporters()) {
        formats.push_back(exporter->id);
        o->flags.addOwner("exporter " + exporter->id, exporter->params);
    }
    app.add_option("--format,-f", o->format, fmt::format("Target format: {}", fmt::join(formats, ", ")))
        ->required()
        ->type_name("ID")
        ->check(CLI::IsMember(formats));
    app.add_option("--output,-o", o->output, "Folder to make; must not exist, or be empty")
        ->required()
        ->type_name("FOLDER");
    o->flags.declare(app, "Parameters of formats");
    app.parse_complete_callback([o = o.get()] { checkExport(*o); });
}

void addVerify(Commands& commands) {
    auto o = std::make_shared<VerifyCommand>();
    CLI::App& app =
        commands.add("verify", "Reopen an exported folder and compare it with its run, code by code",
                     {"verify exports/gptq4", "verify exports/gptq4 --run runs/gptq4 --json"},
                     [o](Session& session) { return runVerify(session, *o); });
    app.add_option("directory", o->directory, "Exported folder")->required();
    app.add_option("--run", o->run, "The run it was made from [as recorded in the folder]")
        ->type_name("FOLDER");
}

} // namespace qs::cli
