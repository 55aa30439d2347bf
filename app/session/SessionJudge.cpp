// SPDX-License-Identifier: GPL-3.0-or-later
// Session: evaluate and export.
#include "app/session/LintWatch.h"
#include "app/session/Session.h"

#include <QFileInfo>
#include <filesystem>

namespace qs::app {

QString Session::evaluateBlocker() const {
    return calibrateBlocker();
}

namespace {

/// Scored under the same protocol: the same ids, cut into as many windows (a window's first token is not
/// scored).
bool sameProtocol(const Evaluation& e, const TokenWindows& tokens) {
    return e.textFingerprint == sha256Hex(std::as_bytes(tokens.span())) &&
           e.tokens == uint64_t(tokens.size() - tokens.rows());
}

/// The model itself, unless `known` is already that under the same protocol; then the run against it.
Result<EvaluationPair> evaluatePair(const std::shared_ptr<const Model>& model,
                                    const std::shared_ptr<const Run>& run, const TokenWindows& tokens,
                                    bool original, const std::optional<Evaluation>& known,
                                    const JobScope& scope) {
    EvaluationPair out;
    const auto weights = modelWeights(*model);
    // The second pass streams two models.
    const double split = run ? 1.0 / 3 : 1.0;
    if (known && sameProtocol(*known, tokens)) {
        out.before = known;
    } else if (original || !run) {
        QS_TRY(out.before, evaluate(model->spec(), *weights, nullptr, tokens, {}, scope.backend(),
                                    scope.job().part(0, split)));
    }
    if (run) {
        QS_TRY(const auto quantized, runWeights(run, model));
        QS_TRY(out.after, evaluate(model->spec(), *quantized, weights.get(), tokens, {}, scope.backend(),
                                   scope.job().part(out.before ? split : 0, 1)));
        out.planFingerprint = run->manifest().planFingerprint;
    }
    return out;
}

} // namespace

JobHandle* Session::evaluate(const EvaluateRequest& request) {
    if (!evaluateBlocker().isEmpty()) return nullptr;
    const auto run = request.run && m_run && m_run->complete() ? m_run : nullptr;
    const auto known = m_evaluation ? m_evaluation->before : std::nullopt;
    const auto body = [model = m_model, run, request, known](const JobScope& scope) -> Outcome {
        scope.job().report("Tokenize", 0, 1);
        auto tokens = windowsFor(*model, request.text, true);
        if (!tokens) return tokens.takeError();
        return Outcome::from(evaluatePair(model, run, *tokens, request.original, known, scope));
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
