// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/laws_report.h"
#include "app/cli/resources.h"
#include "app/cli/subject.h"
#include "app/cli/tokens.h"
#include "core/evaluate/evaluate.h"
#include "core/export/exporter.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace qs::cli {

using nlohmann::json;

namespace {

struct LawsCommand {
    std::string model, calibration;
    std::vector<std::string> runs;
    double trainingTokens = 0, bits = 0;
    TokenOptions tokens;
    BackendOptions backend;
};

MeasuredPoint originalPoint(const Model& model, const Evaluation& e) {
    MeasuredPoint p;
    p.at.label = model.checkpoint().displayName();
    p.at.totalBits = 8.0 * double(model.checkpoint().totalBytes());
    p.at.width = storedWidth(model);
    p.bitsPerWeight = NAN;
    p.nll = e.nll;
    p.nllStderr = e.nllStderr;
    return p;
}

MeasuredPoint runPoint(const std::string& path, const Plan& plan, const Evaluation& e) {
    MeasuredPoint p;
    p.at.label = path;
    p.at.totalBits = 8.0 * double(plan.totalBytesAfter);
    p.at.width = bitWidth(plan);
    p.bitsPerWeight = plan.bitsPerWeight();
    p.nll = e.nll;
    p.nllStderr = e.nllStderr;
    p.kl = e.kl;
    p.klStderr = e.klStderr;
    return p;
}

/// Losses of two tokenizers are not about the same tokens.
Result<void> requireSameTokens(const Model& model, const Model& other, const std::string& path) {
    const auto a = model.tokenizer(), b = other.tokenizer();
    if (a && b && a->fingerprint() == b->fingerprint()) return {};
    if (!a && !b && model.spec().vocabulary == other.spec().vocabulary) return {};
    return Error::invalid("its model has another tokenizer, so losses per token do not compare", path);
}

Result<MeasuredPoints> measure(const LawsCommand& o, const Model& model, const JobContext& job) {
    QS_TRY(const auto backend, o.backend.make());
    QS_TRY(const TokenInput input, TokenInput::load(o.tokens, model));
    QS_TRY(const std::string own, model.checkpoint().fingerprint());
    MeasuredPoints out;
    out.source = input.source;
    std::set<std::string> originals;
    const double n = double(o.runs.size());
    for (size_t i = 0; i < o.runs.size(); ++i) {
        QS_TRY(const Subject s, openRun(o.runs[i]));
        QS_CHECK(s.model->requireForward());
        QS_CHECK(requireSameTokens(model, *s.model, o.runs[i]));
        QS_TRY(const Plan plan, planOfRun(*s.run, *s.model));
        QS_TRY(const Evaluation e, evaluate(s.model->spec(), *s.weights, s.original.get(), input.windows, {},
                                            *backend, job.part(double(i) / n, double(i + 1) / n)));
        if (originals.insert(s.run->manifest().modelFingerprint).second)
            out.points.push_back(originalPoint(*s.model, evaluationOfReference(e)));
        out.points.push_back(runPoint(o.runs[i], plan, e));
        out.protocol = e.protocol;
    }
    out.byKl = originals.size() == 1 && originals.count(own) == 1;
    std::vector<SizedQuality> points;
    for (MeasuredPoint& p : out.points) {
        p.at.quality = out.byKl ? p.kl : p.nll;
        points.push_back(p.at);
    }
    QS_TRY(out.law, kBitLaw(points));
    return out;
}

Result<void> runLaws(Session& session, const LawsCommand& o) {
    QS_TRY(const Subject subject, openComputable(o.model));
    QS_TRY(const Degradation degradation, degradationOf(*subject.model, o.trainingTokens, o.bits));
    std::string text = degradationText(degradation);
    json result = {{"model", o.model}, {"degradation", degradationJson(degradation)}};
    if (!o.calibration.empty()) {
        QS_TRY(const auto calibration, Calibration::open(o.calibration));
        QS_TRY(const FourBitReport report,
               fourBitInputs(*subject.model, *calibration, session.job.part(0, 0.1)));
        text += "\n" + fourBitText(report);
        result["w4a4"] = fourBitJson(report);
    }
    if (!o.runs.empty()) {
        QS_TRY(const MeasuredPoints measured, measure(o, *subject.model, session.job.part(0.1, 1)));
        text += "\n" + pointsText(measured);
        result["total_bits"] = pointsJson(measured);
    }
    session.console.text(text);
    session.console.result(result);
    return {};
}

} // namespace

void addLaws(Commands& commands) {
    auto o = std::make_shared<LawsCommand>();
    CLI::App& app = commands.add(
        "laws",
        "What published laws say of a model: loss to expect of quantizing, accuracy against total bits of "
        "its runs, whether 4-bit inputs are within reach",
        {"laws MODEL --training-tokens 3e11", "laws MODEL --calibration calibration.h5",
         "laws MODEL --run runs/int4 --run runs/int3 --text wiki.txt --window 512 --json"},
        [o](Session& session) { return runLaws(session, *o); });
    app.add_option("path", o->model, "Model folder or file")->required();
    app.add_option("--training-tokens", o->trainingTokens, "Tokens that the model was trained on: 3e11")
        ->check(CLI::PositiveNumber);
    app.add_option("--bits", o->bits, "Also the loss to expect at this many bits per weight")
        ->check(CLI::PositiveNumber);
    app.add_option("--calibration", o->calibration, "Judge 4-bit inputs by this calibration (.h5)");
    app.add_option("--run", o->runs,
                   "A run to measure; also of other models with the same tokenizer. May be repeated");
    o->tokens.add(app, kEvaluationText, 0);
    o->backend.add(app);
}

} // namespace qs::cli
