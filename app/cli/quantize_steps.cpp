// SPDX-License-Identifier: Apache-2.0
#include "app/cli/quantize_steps.h"

#include "app/cli/text.h"
#include "core/calibrate/imatrix.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;

namespace qs::cli {

using nlohmann::json;

namespace {

/// Work shares of a job that calibrates first; the two passes over the tokens cost about the same per block.
constexpr double kCalibrationShare = 0.4;

/// --output must be new, empty, or a run of ours: files are never scattered into a folder that holds
/// something else.
Result<void> requireOwnFolder(const fs::path& folder) {
    std::error_code ec;
    if (!fs::exists(folder, ec)) return {};
    if (!fs::is_directory(folder, ec))
        return Error::invalid("--output exists and is not a folder", folder.string());
    bool empty = true;
    for (const auto& entry : fs::directory_iterator(folder, ec)) {
        const std::string name = entry.path().filename().string();
        if (name == "lock") return {};
        for (const char* ours : {"run.json", "calibration.h5", "journal.json", "units"})
            if (name.find(ours) != std::string::npos) return {}; // also their temporary siblings
        empty = false;
    }
    if (ec) return Error::io("cannot list the folder: " + ec.message(), folder.string());
    if (!empty) return Error::invalid("--output exists, is not empty and is not a run", folder.string());
    return {};
}

/// Refuses another request before hours of calibration, and before its calibration file is replaced.
Result<void> requireSameRequest(const fs::path& folder, const Plan& plan, const std::string& calibration,
                                const std::string& importance = {}) {
    if (!isRunFolder(folder)) return {};
    QS_TRY(const auto run, Run::open(folder));
    const RunManifest& m = run->manifest();
    const char* advice = "choose another --output, or repeat the command that started it to resume";
    if (m.planFingerprint != plan.fingerprint())
        return Error::invalid(fmt::format("the folder holds a run of another plan; {}", advice),
                              folder.string());
    const auto differs = [&](const char* what, const std::string& before, const std::string& now) {
        return Error::invalid(
            fmt::format("the folder holds a run with another {} (recorded {:.16}, now {:.16}); {}", what,
                        before.empty() ? "none" : before, now.empty() ? "none" : now, advice),
            folder.string());
    };
    if (m.calibrationFingerprint != calibration)
        return differs("calibration", m.calibrationFingerprint, calibration);
    if (m.importanceFingerprint != importance)
        return differs("importance matrix", m.importanceFingerprint, importance);
    return {};
}

Result<std::shared_ptr<const Calibration>> reuseOrCalibrate(const QuantizeRequest& r, const Plan& plan,
                                                            Backend& backend, Console& console,
                                                            const JobContext& job) {
    QS_CHECK(r.model->requireForward());
    QS_TRY(const TokenInput input, TokenInput::load(r.tokens, *r.model));
    QS_TRY(const std::string modelPrint, r.model->checkpoint().fingerprint());
    const std::string tokenizerPrint = r.model->tokenizer() ? r.model->tokenizer()->fingerprint() : "";
    const std::string wanted =
        calibrationFingerprint(input.windows, modelPrint, tokenizerPrint, backend.precision());
    QS_CHECK(requireSameRequest(r.output, plan, wanted));
    const fs::path file = r.output / "calibration.h5";
    for (const fs::path& known : {file, r.earlier.empty() ? file : r.earlier / "calibration.h5"})
        if (auto existing = Calibration::open(known); existing && (*existing)->info().fingerprint == wanted) {
            console.note("Reusing " + known.string());
            return std::move(existing).value();
        }
    CalibrateOptions options;
    options.source = input.source;
    options.seed = r.recipe.seed;
    return calibrate(*r.model, input.windows, options, file, backend, job);
}

Result<std::shared_ptr<const Calibration>> obtainCalibration(const QuantizeRequest& r, const Plan& plan,
                                                             Backend& backend, Console& console,
                                                             const JobContext& job) {
    std::shared_ptr<const Calibration> none;
    if (!r.calibrationFile.empty()) {
        QS_TRY(auto given, Calibration::open(r.calibrationFile));
        QS_CHECK(given->requireFor(*r.model));
        QS_CHECK(requireSameRequest(r.output, plan, given->info().fingerprint));
        return given;
    }
    if (plan.needsCalibration() || r.tokens.given()) return reuseOrCalibrate(r, plan, backend, console, job);
    QS_CHECK(requireSameRequest(r.output, plan, ""));
    return none;
}

const char* severityName(Severity s) {
    return s == Severity::Error ? "error" : s == Severity::Warning ? "warning" : "info";
}

std::string errorText(const QuantError& e) {
    return e.output < 0 ? fmt::format("weights {}", number(e.weight))
                        : fmt::format("outputs {}, weights {}", number(e.output), number(e.weight));
}

json errorJson(const QuantError& e) {
    return {{"weight", e.weight}, {"output", e.output < 0 ? json() : json(e.output)}, {"max_abs", e.maxAbs}};
}

} // namespace

Result<void> requirePlan(const Plan& plan) {
    const auto isError = [](const LintIssue& i) { return i.severity == Severity::Error; };
    const auto count = std::count_if(plan.issues.begin(), plan.issues.end(), isError);
    if (count == 0) return {};
    const LintIssue& first = *std::find_if(plan.issues.begin(), plan.issues.end(), isError);
    return Error::invalid(count == 1 ? first.message
                                     : fmt::format("{} ({} more in the plan)", first.message, count - 1),
                          first.where);
}

Result<QuantizeOutcome> quantizeSteps(const QuantizeRequest& r, Backend& backend, Console& console,
                                      const JobContext& job) {
    QS_CHECK(requireOwnFolder(r.output));
    QuantizeOutcome out;
    out.plan = resolvePlan(r.recipe, *r.model);
    QS_CHECK(requirePlan(out.plan));
    std::error_code ec;
    fs::create_directories(r.output, ec);
    if (ec) return Error::io("cannot make the folder: " + ec.message(), r.output.string());
    RunOptions options;
    options.directory = r.output;
    options.earlier = r.earlier;
    double share = 0;
    if (!r.imatrixFile.empty()) {
        QS_TRY(options.importance, ImportanceFile::open(r.imatrixFile, *r.model));
        QS_CHECK(requireSameRequest(r.output, out.plan, "", options.importance->fingerprint));
    } else {
        if (r.calibrationFile.empty() && (out.plan.needsCalibration() || r.tokens.given()))
            share = kCalibrationShare;
        QS_TRY(out.calibration, obtainCalibration(r, out.plan, backend, console, job.part(0, share)));
    }
    if (isRunFolder(r.output)) {
        QS_TRY(const auto before, Run::open(r.output));
        console.note(before->complete() ? "Already done: " + r.output.string()
                                        : "Resuming " + r.output.string() + ": " + before->statusText());
    }
    QS_TRY(out.run,
           executePlan(*r.model, out.plan, out.calibration.get(), options, backend, job.part(share, 1)));
    return out;
}

std::string issuesText(const std::vector<LintIssue>& issues) {
    std::string text;
    for (const Severity severity : {Severity::Error, Severity::Warning, Severity::Info})
        for (const LintIssue& i : issues)
            if (i.severity == severity)
                text += fmt::format("{}: {}{}{}\n", severityName(severity), i.where,
                                    i.where.empty() ? "" : ": ", i.message);
    return text;
}

json issuesJson(const std::vector<LintIssue>& issues) {
    json list = json::array();
    for (const LintIssue& i : issues)
        list.push_back({{"severity", severityName(i.severity)},
                        {"rule", i.rule},
                        {"where", i.where},
                        {"message", i.message}});
    return list;
}

std::string schemeText(const std::optional<Scheme>& scheme) {
    if (!scheme) return "kept";
    const auto codec = createCodec(scheme->codec, scheme->codecParams);
    return (codec ? (*codec)->label() : scheme->codec) + ", " + scheme->method;
}

json outcomeJson(const QuantizeOutcome& o) {
    const RunManifest& m = o.run->manifest();
    json results = json::array();
    for (const TensorResult& r : o.run->results())
        results.push_back({{"module", r.module},
                           {"planned", r.planned},
                           {"done", r.done},
                           {"method", r.method},
                           {"bytes", r.bytes},
                           {"error", errorJson(r.error)},
                           {"seconds", r.seconds}});
    return {{"run", o.run->directory().string()},
            {"complete", o.run->complete()},
            {"plan", o.run->manifest().planFingerprint},
            {"calibration", o.calibration ? json(o.calibration->file().string()) : json()},
            {"calibration_fingerprint", o.run->manifest().calibrationFingerprint},
            {"importance", m.importanceFile.empty() ? json() : json(m.importanceFile)},
            {"importance_fingerprint", m.importanceFingerprint},
            {"bytes_before", o.plan.totalBytesBefore},
            {"bytes_after", o.plan.totalBytesAfter},
            {"bits_per_weight", o.plan.bitsPerWeight()},
            {"issues", issuesJson(o.plan.issues)},
            {"results", std::move(results)}};
}

std::string outcomeSummary(const QuantizeOutcome& o) {
    const auto& results = o.run->results();
    Fields f;
    f.add("Checkpoint",
          fmt::format("{} -> {}", humanBytes(o.plan.totalBytesBefore), humanBytes(o.plan.totalBytesAfter)));
    f.add("Bits per weight", fmt::format("{:.3f}, of what was quantized", o.plan.bitsPerWeight()));
    const auto worst = std::max_element(results.begin(), results.end(), [](const auto& a, const auto& b) {
        return std::pair(a.error.output, a.error.weight) < std::pair(b.error.output, b.error.weight);
    });
    if (worst != results.end())
        f.add("Largest error", fmt::format("{}: {}", worst->module, errorText(worst->error)));
    if (o.calibration) f.add("Calibration", o.calibration->file().string());
    if (const auto& m = o.run->manifest(); !m.importanceFile.empty())
        f.add("Importance matrix", m.importanceFile);
    f.add("Run", o.run->directory().string());
    std::string text = f.text();
    for (const TensorResult& r : results)
        if (r.planned != r.done)
            text += fmt::format("warning: {}: {} was planned, {} was done\n", r.module, r.planned, r.done);
    return text + "Errors are relative: ||W - W'||^2 / ||W||^2, and the same of the outputs on the "
                  "calibration tokens.\n";
}

std::string outcomeText(const QuantizeOutcome& o) {
    Table t({{"module"},
             {"done"},
             {"method"},
             {"size", true},
             {"weight error", true},
             {"output error", true},
             {"time", true}});
    for (const TensorResult& r : o.run->results())
        t.add({r.module, r.done, r.method, humanBytes(r.bytes), number(r.error.weight),
               r.error.output < 0 ? "-" : number(r.error.output), fmt::format("{:.2f} s", r.seconds)});
    return issuesText(o.plan.issues) + t.text() + "\n" + outcomeSummary(o);
}

} // namespace qs::cli
