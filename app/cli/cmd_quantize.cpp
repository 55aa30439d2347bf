// SPDX-License-Identifier: Apache-2.0
#include "app/cli/backend_notes.h"
#include "app/cli/inspect_hdf5.h"
#include "app/cli/quantize_steps.h"
#include "app/cli/resources.h"
#include "app/cli/scheme_flags.h"
#include "app/cli/text.h"
#include "core/export/runtime_profiles.h"
#include "core/run/planned_manifest.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kCalibrationSamples = 128;

struct CalibrateCommand {
    std::string model, output, activations, map;
    uint64_t seed = 0;
    TokenOptions tokens;
    BackendOptions backend;
};

struct PlanCommand {
    std::string model, output, calibration, runtime;
    bool sizes = false;
    SchemeFlags scheme;
};

struct QuantizeCommand {
    std::string model, output, calibration, imatrix, reuse;
    SchemeFlags scheme;
    TokenOptions tokens;
    BackendOptions backend;
};

std::string joined(const std::vector<std::string>& names) {
    constexpr size_t kShown = 8;
    std::string text;
    for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
        text += (i ? ", " : "") + names[i];
    return names.size() > kShown ? text + fmt::format(" and {} more", names.size() - kShown) : text;
}

Result<void> calibrateOnActivations(Session& session, const CalibrateCommand& o) {
    QS_TRY(const auto model, openModel(o.model));
    QS_TRY(auto file, openHdf5(o.activations, o.map));
    QS_TRY(const auto dump, ActivationDump::open(std::move(file)));
    QS_TRY(const auto backend, o.backend.make());
    const BackendNotes notes(*backend, session.console);
    CalibrateOptions options;
    options.seed = o.seed;
    QS_TRY(const DumpCalibration made,
           calibrateFromActivations(*dump, *model, options, o.output, *backend, session.job));
    const CalibrationInfo& info = made.calibration->info();
    Fields f;
    f.add("Calibration", made.calibration->file().string());
    f.add("Sites", fmt::format("{} from {}", made.calibration->sites().size(), o.activations));
    if (!made.missingSites.empty()) f.add("Without data", joined(made.missingSites));
    if (!made.unused.empty()) f.add("Not used", joined(made.unused));
    f.add("Fingerprint", fmt::format("{:.16}", info.fingerprint));
    session.console.text(f.text());
    session.console.result({{"file", made.calibration->file().string()},
                            {"source", info.source},
                            {"sites", made.calibration->sites().size()},
                            {"missing_sites", made.missingSites},
                            {"unused", made.unused},
                            {"seed", info.seed},
                            {"model_fingerprint", info.modelFingerprint},
                            {"tokenizer_fingerprint", info.tokenizerFingerprint},
                            {"fingerprint", info.fingerprint}});
    return {};
}

Result<void> runCalibrate(Session& session, const CalibrateCommand& o) {
    if (!o.activations.empty()) return calibrateOnActivations(session, o);
    QS_TRY(const auto model, openModel(o.model));
    QS_CHECK(model->requireForward());
    QS_TRY(const TokenInput input, TokenInput::load(o.tokens, *model));
    QS_TRY(const auto backend, o.backend.make());
    const BackendNotes notes(*backend, session.console);
    CalibrateOptions options;
    options.source = input.source;
    options.seed = o.seed;
    QS_TRY(const auto c, calibrate(*model, input.windows, options, o.output, *backend, session.job));
    const CalibrationInfo& info = c->info();
    Fields f;
    f.add("Calibration", c->file().string());
    f.add("Tokens",
          fmt::format("{} windows of {} from {}", c->tokens().rows(), c->tokens().cols(), info.source));
    f.add("Sites", std::to_string(c->sites().size()));
    f.add("Fingerprint", fmt::format("{:.16}", info.fingerprint));
    session.console.text(f.text());
    session.console.result({{"file", c->file().string()},
                            {"windows", c->tokens().rows()},
                            {"window", c->tokens().cols()},
                            {"source", info.source},
                            {"sites", c->sites().size()},
                            {"seed", info.seed},
                            {"model_fingerprint", info.modelFingerprint},
                            {"tokenizer_fingerprint", info.tokenizerFingerprint},
                            {"fingerprint", info.fingerprint}});
    return {};
}

json showPlan(Console& out, const Plan& plan) {
    Table t({{"module"}, {"shape"}, {"scheme"}, {"rule", true}, {"before", true}, {"after", true}});
    json entries = json::array();
    for (const PlanEntry& e : plan.entries) {
        t.add({e.target.module, shapeText({e.target.rows, e.target.cols}), schemeText(e.scheme),
               e.rule < 0 ? "-" : std::to_string(e.rule + 1), humanBytes(e.bytesBefore),
               humanBytes(e.bytesAfter)});
        entries.push_back({{"module", e.target.module},
                           {"rows", e.target.rows},
                           {"cols", e.target.cols},
                           {"scheme", e.scheme ? e.scheme->toJson() : json()},
                           {"rule", e.rule < 0 ? json() : json(e.rule)},
                           {"bytes_before", e.bytesBefore},
                           {"bytes_after", e.bytesAfter}});
    }
    out.text(t.text() +
             fmt::format("\nCheckpoint {} -> {}, {:.3f} bits per quantized weight{}\n",
                         humanBytes(plan.totalBytesBefore), humanBytes(plan.totalBytesAfter),
                         plan.bitsPerWeight(), plan.needsCalibration() ? ", needs calibration" : "") +
             (plan.transforms.empty() ? "" : "Scaled before by " + transformsText(plan.transforms) + "\n") +
             issuesText(plan.issues));
    return {{"entries", std::move(entries)},
            {"issues", issuesJson(plan.issues)},
            {"bytes_before", plan.totalBytesBefore},
            {"bytes_after", plan.totalBytesAfter},
            {"bits_per_weight", plan.bitsPerWeight()},
            {"needs_calibration", plan.needsCalibration()},
            {"transforms", transformsToJson(plan.transforms)},
            {"valid", !plan.hasErrors()},
            {"fingerprint", plan.fingerprint()}};
}

/// Bits of the cache when a context is full.
Result<void> showKvCache(Console& out, const KvScheme& scheme, const Model& model, json& result) {
    const ModelSpec& spec = model.spec();
    QS_TRY(const double bits, scheme.bitsPerValue(spec.kvHeads * spec.headDim, spec.context));
    out.text(fmt::format("KV cache {}: {:.3f} bits per value in a context of {} tokens\n", scheme.label(),
                         bits, spec.context));
    result["kv_cache"] = {{"scheme", scheme.toJson()}, {"bits_per_value", bits}, {"tokens", spec.context}};
    return {};
}

/// The first of the issues of each rule, with the number of the others.
std::vector<LintIssue> onePerRule(const std::vector<LintIssue>& issues) {
    std::vector<LintIssue> out;
    std::map<std::string, size_t> count;
    for (const LintIssue& i : issues)
        if (count[i.rule]++ == 0) out.push_back(i);
    for (LintIssue& i : out)
        if (count[i.rule] > 1) i.message += fmt::format(" (and {} more)", count[i.rule] - 1);
    return out;
}

/// What a runtime makes of the plan, format by format.
void showRuntime(Console& out, const RuntimeProfile& profile, const Model& model, const Plan& plan,
                 json& result) {
    Table t({{"format"}, {profile.label + " " + profile.version}});
    json formats = json::array();
    std::string details;
    for (const FormatVerdict& v : checkRuntime(profile, model, plan)) {
        std::vector<LintIssue> all;
        for (const RuntimeIssue& i : v.issues) {
            all.push_back(i.issue);
            if (!i.fix.empty())
                all.back().message +=
                    fmt::format(". Fix: {} ({} linears)", i.fix.label, i.fix.schemes.size());
        }
        t.add({v.exporter, v.loads() ? v.text() : "does not load"});
        if (!all.empty()) details += "\n" + v.exporter + "\n" + issuesText(onePerRule(all));
        formats.push_back({{"format", v.exporter}, {"loads", v.loads()}, {"issues", issuesJson(all)}});
    }
    out.text("\n" + t.text() + details);
    result["runtime"] = {{"id", profile.id}, {"version", profile.version}, {"formats", std::move(formats)}};
}

Result<void> showSizes(Console& out, const Model& model, const Plan& plan, const Calibration* calibration,
                       json& result) {
    QS_TRY(const auto backend, makeBackend("cpu"));
    QS_TRY(const RunManifest manifest,
           plannedManifest(model, plan, calibration, nullptr, backend->description()));
    Table t({{"format"}, {"file", true}, {"bytes", true}});
    json sizes = json::array();
    for (const ExporterDescriptor* e : exporters()) {
        const auto bytes = plannedBytes(*e, model, plan, manifest);
        t.add({e->id, bytes ? humanBytes(*bytes) : "-",
               bytes ? std::to_string(*bytes) : bytes.error().describe()});
        sizes.push_back({{"format", e->id},
                         {"bytes", bytes ? json(*bytes) : json()},
                         {"why", bytes ? json() : json(bytes.error().describe())}});
    }
    out.text("\n" + t.text());
    result["sizes"] = std::move(sizes);
    return {};
}

/// A plan with errors is still an answer and is shown whole; the exit code says that it cannot be run.
Result<void> runPlan(Session& session, const PlanCommand& o) {
    QS_TRY(const auto model, openModel(o.model));
    QS_TRY(const Recipe recipe, o.scheme.recipe());
    Plan plan = resolvePlan(recipe, *model);
    std::shared_ptr<const Calibration> calibration;
    if (!o.calibration.empty()) {
        QS_TRY(calibration, Calibration::open(o.calibration));
        QS_CHECK(calibration->requireFor(*model));
        for (LintIssue& i : lintCalibration(plan, *calibration))
            plan.issues.push_back(std::move(i));
    }
    if (!o.output.empty()) QS_CHECK(recipe.save(o.output));
    json result = showPlan(session.console, plan);
    if (plan.kvCache && !plan.hasErrors())
        QS_CHECK(showKvCache(session.console, *plan.kvCache, *model, result));
    if (!o.runtime.empty()) {
        QS_TRY(const RuntimeProfile* profile, findRuntimeProfile(o.runtime));
        showRuntime(session.console, *profile, *model, plan, result);
    }
    if (o.sizes && !plan.hasErrors())
        QS_CHECK(showSizes(session.console, *model, plan, calibration.get(), result));
    session.console.result(std::move(result));
    if (!o.output.empty()) session.console.text("Recipe written to " + o.output + "\n");
    if (plan.hasErrors()) session.exitCode = kFailed;
    return {};
}

Result<void> runQuantize(Session& session, const QuantizeCommand& o) {
    QuantizeRequest request;
    QS_TRY(request.model, openModel(o.model));
    QS_TRY(request.recipe, o.scheme.recipe());
    request.calibrationFile = o.calibration;
    request.imatrixFile = o.imatrix;
    request.earlier = o.reuse;
    request.tokens = o.tokens;
    request.output = o.output;
    QS_TRY(const auto backend, o.backend.make());
    const BackendNotes notes(*backend, session.console);
    QS_TRY(const QuantizeOutcome outcome, quantizeSteps(request, *backend, session.console, session.job));
    session.console.text(outcomeText(outcome));
    session.console.result(outcomeJson(outcome));
    return {};
}

} // namespace

void addCalibrate(Commands& commands) {
    auto o = std::make_shared<CalibrateCommand>();
    CLI::App& app = commands.add("calibrate", "Measure activations on a text and write one calibration file",
                                 {"calibrate MODEL --text corpus.txt --output calibration.h5",
                                  "calibrate MODEL --tokens ids.npy --output calibration.h5",
                                  "calibrate MODEL --text corpus.txt --window 512 --samples 64 --output c.h5",
                                  "calibrate MODEL --activations dump.h5 --map dump.map.json --output c.h5"},
                                 [o](Session& session) { return runCalibrate(session, *o); });
    app.add_option("model", o->model, "Model folder")->required();
    app.add_option("--output,-o", o->output, "Calibration file to write (HDF5)")
        ->required()
        ->type_name("FILE");
    app.add_option("--seed", o->seed, "Seed recorded in the file")->capture_default_str();
    o->tokens.add(app, kCalibrationText, kCalibrationSamples);
    CLI::Option* activations = app.add_option("--activations", o->activations,
                                              "Instead of a text: an HDF5 file of recorded activations "
                                              "[tokens, channels], named by site or linear")
                                   ->type_name("FILE");
    for (const char* name : {"--text", "--tokens", "--window", "--samples"})
        activations->excludes(app.get_option(name));
    app.add_option("--map", o->map, "Which arrays of that file are activations of what [FILE.map.json]")
        ->type_name("FILE")
        ->needs(activations);
    o->backend.add(app);
}

void addPlan(Commands& commands) {
    auto o = std::make_shared<PlanCommand>();
    CLI::App& app = commands.add("plan", "Resolve a recipe: the scheme and the exact bytes of every linear",
                                 {"plan MODEL --bits 4 --group 128", "plan MODEL --recipe recipe.json --json",
                                  "plan MODEL --bits 4 --grid symmetric --lint vllm",
                                  "plan MODEL --method rtn --bits 3 --group 64 --output recipe.json"},
                                 [o](Session& session) { return runPlan(session, *o); });
    app.add_option("model", o->model, "Model folder, or a weight file")->required();
    app.add_option("--output,-o", o->output, "Write the recipe here, as a start for editing")
        ->type_name("FILE");
    app.add_option("--calibration", o->calibration, "Also check that this calibration covers the recipe")
        ->type_name("FILE");
    std::vector<std::string> runtimes;
    for (const RuntimeProfile& p : runtimeProfiles())
        runtimes.push_back(p.id);
    app.add_flag("--sizes", o->sizes,
                 "Also say the exact size of the file that each export format would write");
    app.add_option("--lint", o->runtime, "Also say in which formats this runtime would load the result")
        ->check(CLI::IsMember(runtimes))
        ->type_name("RUNTIME");
    o->scheme.declare(app);
}

void addQuantize(Commands& commands) {
    auto o = std::make_shared<QuantizeCommand>();
    CLI::App& app = commands.add(
        "quantize", "Quantize a model into a run folder; the same command again resumes it",
        {"quantize MODEL --method gptq --bits 4 --group 128 --output runs/gptq4",
         "quantize MODEL --method gptq --bits 4 --group 32 --text corpus.txt --output runs/mine",
         "quantize MODEL --method gptq --bits 3 --group 64 --calibration c.h5 --output runs/gptq3",
         "quantize MODEL --method rtn --bits 8 --output runs/rtn8",
         "quantize MODEL --codec ggml --type q4_k --method imatrix --imatrix imatrix.gguf --output runs/q4k",
         "quantize MODEL --transform awq --method rtn --bits 4 --output runs/awq4",
         "quantize MODEL --recipe recipe.json --output runs/mixed",
         "quantize MODEL --recipe changed.json --reuse runs/mixed --output runs/changed"},
        [o](Session& session) { return runQuantize(session, *o); });
    app.add_option("model", o->model, "Model folder, or a weight file")->required();
    app.add_option("--output,-o", o->output,
                   "Run folder; made when missing, resumed when it holds the same run")
        ->required()
        ->type_name("FOLDER");
    app.add_option("--reuse", o->reuse,
                   "An earlier run of this model: what comes out alike is taken from it, block by block")
        ->type_name("FOLDER")
        ->check(CLI::ExistingDirectory);
    o->scheme.declare(app);
    o->tokens.add(app, kCalibrationText, kCalibrationSamples);
    CLI::Option* calibration = app.add_option("--calibration", o->calibration, "Use this calibration file")
                                   ->type_name("FILE")
                                   ->group("Tokens");
    CLI::Option* imatrix =
        app.add_option("--imatrix", o->imatrix,
                       "Weigh errors by this importance matrix of llama.cpp (.gguf or .dat), "
                       "for the method imatrix")
            ->type_name("FILE")
            ->group("Tokens");
    imatrix->excludes(calibration);
    for (const char* name : {"--text", "--tokens", "--window", "--samples"}) {
        calibration->excludes(app.get_option(name));
        imatrix->excludes(app.get_option(name));
    }
    o->backend.add(app);
}

} // namespace qs::cli
