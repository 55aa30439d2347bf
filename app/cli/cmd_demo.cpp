// SPDX-License-Identifier: Apache-2.0
// The whole path at once, on the sample model: what a newcomer sees first, and what `packaging/run` does
// without a display.
#include "app/cli/evaluate_report.h"
#include "app/cli/export_report.h"
#include "app/cli/inspect_report.h"
#include "app/cli/quantize_steps.h"
#include "app/cli/resources.h"
#include "app/cli/subject.h"
#include "app/cli/text.h"
#include "core/evaluate/evaluate.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;

namespace qs::cli {

using nlohmann::json;

namespace {

constexpr size_t kCalibrationSamples = 128, kOutlierTensors = 5, kOutliersShown = 4;

struct DemoCommand {
    std::string model, output;
    BackendOptions backend;
};

/// Work of the stages as fractions of the whole, about.
struct Stage {
    double from, to;
};
constexpr Stage kInspect{0, 0.05}, kQuantize{0.05, 0.6}, kEvaluate{0.6, 0.9}, kExport{0.9, 1};

void heading(Console& out, const std::string& title) {
    out.text("\n" + title + "\n");
}

Result<json> inspectStage(Console& out, const Model& model, const JobContext& job) {
    const OutlierChoice choice{OutlierRule::MedianRatio, outlierRuleDefault(OutlierRule::MedianRatio)};
    std::vector<TensorReport> reports;
    std::vector<InspectItem> linears = inspectItems(model);
    std::erase_if(linears, [](const InspectItem& item) { return item.module.empty(); });
    for (size_t n = 0; n < linears.size(); ++n) {
        job.report(fmt::format("Reading tensor {} of {}", n + 1, linears.size()), double(n),
                   double(linears.size()));
        QS_TRY(TensorReport r, reportTensor(model, linears[n], choice, true, job.silent()));
        reports.push_back(std::move(r));
    }
    std::stable_sort(reports.begin(), reports.end(), [](const TensorReport& a, const TensorReport& b) {
        return maxMedianRatio(a.stats.input) > maxMedianRatio(b.stats.input);
    });
    reports.resize(std::min(reports.size(), kOutlierTensors));
    Table t({{"linear"}, {"max/med", true}, {"kurt", true}, {"outlier input channels"}});
    json list = json::array();
    for (const TensorReport& r : reports) {
        t.add({r.module, number(maxMedianRatio(r.stats.input)), number(r.stats.kurtosis),
               outlierText(r.inputOutliers, kOutliersShown)});
        list.push_back(toJson(r, choice));
    }
    heading(out, "1. Inspect: the linears with the largest input channels (outlier: at least " +
                     choice.text() + ")");
    out.text(modelText(model) + "\n" + t.text());
    json result = modelJson(model);
    result["largest_outliers"] = std::move(list);
    return result;
}

Result<Scheme> demoScheme() {
    Scheme s;
    s.codec = "int";
    s.method = "gptq";
    QS_TRY(const CodecDescriptor* codec, findCodec(s.codec));
    QS_TRY(const MethodDescriptor* method, findMethod(s.method));
    QS_TRY(s.codecParams,
           Params::fromJson(codec->params, {{"bits", 4}, {"group", 128}, {"grid", "symmetric"}}, s.codec));
    s.methodParams = Params::defaults(method->params);
    return s;
}

Result<QuantizeOutcome> quantizeStage(Console& out, std::shared_ptr<const Model> model, const fs::path& run,
                                      Backend& backend, const JobContext& job) {
    QuantizeRequest request;
    QS_TRY(const Scheme scheme, demoScheme());
    request.model = std::move(model);
    request.recipe = Recipe::uniform(scheme);
    request.tokens = TokenOptions::builtIn(kCalibrationText, kCalibrationSamples);
    request.output = run;
    QS_TRY(QuantizeOutcome outcome, quantizeSteps(request, backend, out, job));
    const OutlierChoice choice{OutlierRule::MedianRatio, outlierRuleDefault(OutlierRule::MedianRatio)};
    heading(out, fmt::format("2. Calibrate: activations over {} tokens (outlier: at least {})",
                             outcome.calibration->tokens().size(), choice.text()));
    out.text(activationTable(outcome.calibration->sites(), choice));
    heading(out, "3. Quantize: GPTQ, 4 bits, groups of 128, symmetric");
    out.text(outcomeSummary(outcome));
    return outcome;
}

Result<json> evaluateStage(Console& out, const fs::path& run, Backend& backend, const JobContext& job) {
    QS_TRY(const Subject subject, openRun(run));
    QS_TRY(const TokenInput input,
           TokenInput::load(TokenOptions::builtIn(kEvaluationText, 0), *subject.model));
    const ModelSpec& spec = subject.model->spec();
    QS_TRY(const Evaluation before,
           evaluate(spec, *subject.original, nullptr, input.windows, {}, backend, job.part(0, 0.33)));
    QS_TRY(const Evaluation after, evaluate(spec, *subject.weights, subject.original.get(), input.windows, {},
                                            backend, job.part(0.33, 1)));
    heading(out, fmt::format("4. Evaluate: perplexity {:.4f} before, {:.4f} after", before.perplexity,
                             after.perplexity));
    out.text(evaluationText(after, input.source));
    return json{{"original", before.toJson()}, {"quantized", after.toJson()}};
}

/// Writes both formats, then verifies each once more from the files alone, as `verify` does.
Result<json> exportStage(Console& out, const fs::path& run, const fs::path& output, const JobContext& job) {
    QS_TRY(const Subject subject, openRun(run));
    heading(out, "5. Export and verify");
    json list = json::array();
    const char* const formats[] = {"gptq", "dequantized"};
    for (size_t i = 0; i < std::size(formats); ++i) {
        const std::string format = formats[i];
        const double half = 0.5 * double(i);
        QS_TRY(const ExporterDescriptor* exporter, findExporter(format));
        const ExportRequest request{subject.model, subject.run, output / format,
                                    Params::defaults(exporter->params)};
        QS_TRY(const Receipt written, exportRun(format, request, job.part(half, half + 0.3)));
        QS_TRY(const Receipt receipt,
               verifyExport(subject.model, subject.run, written.directory, job.part(half + 0.3, half + 0.5)));
        if (!receipt.verified) return Error::internal(receipt.summary(), written.directory.string());
        out.text(fmt::format("{}: {}, max |delta| {}. {}\n", format, humanBytes(receipt.bytesWritten),
                             number(receipt.maxDelta), receipt.summary()));
        list.push_back(receipt.toJson());
        list.back()["directory"] = written.directory.string();
    }
    return list;
}

Result<void> demo(Session& session, const DemoCommand& o) {
    Console& out = session.console;
    const JobContext& job = session.job;
    const auto stage = [&](const Stage& s) { return job.part(s.from, s.to); };
    fs::path path = o.model;
    if (o.model.empty()) {
        QS_TRY(path, resourcePath(kSampleModel));
    }
    const fs::path output = o.output, run = output / "run";
    QS_TRY(const auto model, openModel(path));
    QS_CHECK(model->requireForward());
    QS_TRY(const auto backend, o.backend.make());
    json result;
    QS_TRY(result["model"], inspectStage(out, *model, stage(kInspect)));
    QS_TRY(const QuantizeOutcome outcome, quantizeStage(out, model, run, *backend, stage(kQuantize)));
    result["quantize"] = outcomeJson(outcome);
    QS_TRY(result["evaluate"], evaluateStage(out, run, *backend, stage(kEvaluate)));
    QS_TRY(result["exports"], exportStage(out, run, output, stage(kExport)));
    Fields paths;
    paths.add("Calibration", (run / "calibration.h5").string());
    paths.add("Run", run.string());
    paths.add("GPTQ export", (output / "gptq").string());
    paths.add("Plain export", (output / "dequantized").string());
    heading(out, "Files");
    out.text(paths.text());
    out.result(result);
    return {};
}

} // namespace

void addDemo(Commands& commands) {
    auto o = std::make_shared<DemoCommand>();
    CLI::App& app = commands.add(
        "demo",
        "The whole path on the sample model: inspect, calibrate, GPTQ 4-bit, evaluate, export, verify",
        {"demo --output demo", "demo MODEL --output demo --json"},
        [o](Session& session) { return demo(session, *o); });
    app.add_option("model", o->model, "Model folder [the built-in sample]");
    app.add_option("--output,-o", o->output, "Folder for the run and the exports")
        ->required()
        ->type_name("FOLDER");
    o->backend.add(app);
}

} // namespace qs::cli
