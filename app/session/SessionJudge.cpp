// SPDX-License-Identifier: GPL-3.0-or-later
// Session: evaluate and export.
#include "app/session/LintWatch.h"
#include "app/session/Session.h"
#include "core/evaluate/evaluation_store.h"

#include <QFileInfo>
#include <filesystem>

namespace qs::app {

QString Session::evaluateBlocker() const {
    return calibrateBlocker();
}

namespace {

/// What an evaluation job works with.
struct EvaluateWork {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Run> run;
    EvaluateRequest request;
    std::filesystem::path folder; ///< where evaluations are kept
};

/// Kept from an earlier time under the same protocol, else measured and kept. `reference` may be null.
Result<Evaluation> measured(const EvaluateWork& work, const WeightSource& weights,
                            const WeightSource* reference, const TokenWindows& tokens, const JobScope& scope,
                            const JobContext& job) {
    const std::string against = reference ? reference->fingerprint() : std::string();
    const auto file =
        evaluationFile(work.folder, weights.fingerprint(), against, tokens, 0, scope.backend().precision());
    if (auto known = loadEvaluation(file);
        known && known->weightsFingerprint == weights.fingerprint() && known->referenceFingerprint == against)
        return known;
    EvaluateOptions options;
    QS_TRY(options.cache, hiddenCacheFor(*work.model, work.folder / "hidden"));
    QS_TRY(Evaluation e,
           evaluate(work.model->spec(), weights, reference, tokens, options, scope.backend(), job));
    for (const std::string& note : e.cacheNotes)
        scope.note(note);
    e.source = textName(work.request.text).toStdString();
    QS_CHECK(saveEvaluation(file, e));
    return e;
}

/// Every run against the model, whose own losses come along; the model alone when there is no run.
Result<EvaluationPair> measureAll(const EvaluateWork& work, const TokenWindows& tokens,
                                  const JobScope& scope) {
    EvaluationPair out;
    const auto original = modelWeights(*work.model);
    const double steps = double(work.request.others.size()) + (work.run ? 1 : 0);
    double done = 0;
    const auto step = [&](const std::shared_ptr<const Run>& run) -> Result<Evaluation> {
        QS_TRY(const auto quantized, runWeights(run, work.model));
        const JobContext part = scope.job().part(done / steps, (done + 1) / steps);
        ++done;
        QS_TRY(Evaluation e, measured(work, *quantized, original.get(), tokens, scope, part));
        if (!out.before) out.before = evaluationOfReference(e);
        return e;
    };
    if (work.run) {
        QS_TRY(out.after, step(work.run));
        out.planFingerprint = work.run->manifest().planFingerprint;
    }
    for (const auto& run : work.request.others) {
        QS_TRY(Evaluation e, step(run));
        out.others.push_back(std::make_shared<const Evaluation>(std::move(e)));
    }
    if (!out.before) {
        QS_TRY(out.before, measured(work, *original, nullptr, tokens, scope, scope.job()));
    }
    return out;
}

} // namespace

JobHandle* Session::evaluate(const EvaluateRequest& request) {
    if (!evaluateBlocker().isEmpty()) return nullptr;
    const auto run = request.run && m_run && m_run->complete() ? m_run : nullptr;
    const EvaluateWork work{m_model, run, request,
                            (cacheFolder() + QStringLiteral("/evaluations")).toStdString()};
    const auto body = [work](const JobScope& scope) -> Outcome {
        scope.job().report("Tokenize", 0, 1);
        auto tokens = windowsFor(*work.model, work.request.text, true);
        if (!tokens) return tokens.takeError();
        return Outcome::from(measureAll(work, *tokens, scope));
    };
    JobHandle* job = m_engine.post(
        {QStringLiteral("evaluate"), tr("Evaluate %1 on %2").arg(title(), textName(request.text))}, body);
    job->then(this, [this, model = m_model](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        if (const auto pair = outcome.as<EvaluationPair>()) {
            m_evaluation = pair;
            emit evaluationChanged();
        }
    });
    return report(job);
}

bool Session::evaluationIsStale() const {
    return m_evaluation && m_evaluation->after &&
           (!m_runPlan || m_evaluation->planFingerprint != m_runPlan->fingerprint() || m_table.runIsStale());
}

QString Session::exportBlocker() const {
    if (!m_model) return tr("Open a model first.");
    if (running()) return tr("A run is in progress.");
    if (!m_run) return tr("Nothing was quantized yet. Run the recipe first.");
    if (!m_run->complete())
        return tr("The run is not complete (%1). Resume it first.")
            .arg(QString::fromStdString(m_run->statusText()));
    return {};
}

std::vector<LintIssue> Session::exportIssues(const QString& exporter) const {
    return m_lint->issues(exporter);
}

JobHandle* Session::exportRun(const ExportOptions& options) {
    if (!exportBlocker().isEmpty()) return nullptr;
    ExportRequest request;
    request.model = m_model;
    request.run = m_run;
    request.directory = options.directory.toStdString();
    request.params = options.params;
    const auto body = [request, id = options.exporter.toStdString()](const JobScope& scope) {
        // The folder that the window proposes is the first one in its parent. A failure is the exporter's to
        // tell.
        std::error_code ec;
        std::filesystem::create_directories(request.directory.parent_path(), ec);
        return Outcome::from(qs::exportRun(id, request, scope.job()));
    };
    m_receipt.reset();
    emit receiptChanged();
    JobHandle* job = m_engine.post(
        {QStringLiteral("export"), tr("Export to %1").arg(QFileInfo(options.directory).fileName())}, body);
    job->then(this, [this, model = m_model](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        if (const auto receipt = outcome.as<Receipt>()) {
            m_receipt = receipt;
            emit receiptChanged();
        }
    });
    return report(job);
}

} // namespace qs::app
