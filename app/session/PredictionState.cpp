// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/PredictionState.h"

#include "app/session/JudgeSet.h"
#include "app/session/KlShare.h"

#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

struct CheckInput {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Calibration> calibration; ///< null: the table's candidates need none
    std::shared_ptr<const SensitivityTable> table;
    TextRequest text;
    AssignmentDraw draw;
};

/// Publishes every recipe as it is measured.
Outcome measuredRecipes(const CheckInput& in, const JobScope& scope) {
    auto tokens = windowsFor(*in.model, in.text, true);
    if (!tokens) return tokens.takeError();
    PlanMeasureOptions options;
    options.calibration = in.calibration.get();
    auto plan =
        PlanMeasure::create(*in.model, *in.table, *tokens, options, scope.backend(), scope.job().silent());
    if (!plan) return plan.takeError();
    auto done = measureAssignments(**plan, *in.table, in.draw, scope.job(), [&](const MeasuredAssignment& m) {
        scope.publish(Payload::of(MeasuredAssignment(m)));
    });
    if (!done) return done.takeError();
    return Payload();
}

bool needsCalibration(const SensitivityTable& table) {
    return !checkCalibration(table, nullptr);
}

/// Whether an assignment means the same in both: candidates, and what they are made with.
bool sameCandidates(const SensitivityTable& a, const SensitivityTable& b) {
    return a.modelFingerprint == b.modelFingerprint && a.candidates == b.candidates && a.seed == b.seed &&
           (a.calibrationFingerprint == b.calibrationFingerprint || !needsCalibration(a));
}

std::optional<Assignment> assignmentOf(const Plan& plan, const SensitivityTable& table) {
    if (plan.entries.size() != table.rows.size()) return std::nullopt;
    // Transforms, a rounded cache and weighted tokens change the damage, and no table knows by how much.
    if (static_cast<const ModelSettings&>(plan) != ModelSettings{}) return std::nullopt;
    Assignment out;
    size_t last = 0; // neighbours share most often
    for (const PlanEntry& e : plan.entries) {
        if (!e.scheme) {
            out.push_back(std::nullopt);
            continue;
        }
        if (last >= table.candidates.size() || table.candidates[last] != *e.scheme)
            last = size_t(std::ranges::find(table.candidates, *e.scheme) - table.candidates.begin());
        if (last == table.candidates.size()) return std::nullopt;
        out.push_back(last);
    }
    return out;
}

std::vector<PredictedRun> predictedRuns(const std::vector<ComparedRun>& runs, const SensitivityTable& table,
                                        const ScoreDescriptor& score) {
    std::vector<PredictedRun> out;
    for (const ComparedRun& run : runs) {
        if (!run.plan || !run.evaluation || !run.evaluation->hasReference) continue;
        const auto assignment = assignmentOf(*run.plan, table);
        if (!assignment) continue;
        const PredictionPoint at{bitsPerWeight(table, *assignment), predictedCost(table, score, *assignment),
                                 run.evaluation->kl, run.evaluation->klStderr};
        if (std::isfinite(at.predicted))
            out.push_back({run.letter, run.name, QString::fromStdString(run.evaluation->protocol), at});
    }
    return out;
}

struct Predicted {
    PredictionCheck check;
    std::vector<PredictedRun> runs;
};

} // namespace

PredictionState::PredictionState(Session* session, const TuneState* tune, QObject* parent)
    : QObject(parent), m_session(session), m_tune(tune) {
    connect(tune, &TuneState::changed, this, &PredictionState::onTuneChanged);
}

void PredictionState::onTuneChanged() {
    const auto table = m_tune->table();
    if (m_table && (!table || !sameCandidates(*table, *m_table))) {
        stop();
        m_job = nullptr;
        m_measured.clear();
        m_table.reset();
    }
    if (m_asked != std::pair(table, &m_tune->score())) predict();
    emit changed();
}

void PredictionState::setRuns(const JudgeSet* runs) {
    m_runs = runs;
    connect(runs, &JudgeSet::changed, this, &PredictionState::predict);
    predict();
}

void PredictionState::predict() {
    const auto table = m_tune->table();
    const ScoreDescriptor* score = &m_tune->score();
    m_asked = {table, score};
    const quint64 question = ++m_question;
    if (!table) {
        m_check = {};
        m_predicted.clear();
        emit predicted();
        return;
    }
    JobRequest request{QStringLiteral("predict"), tr("Predictions")};
    request.listed = false;
    const auto body = [table, score, measured = m_measured,
                       runs =
                           m_runs ? m_runs->runs() : std::vector<ComparedRun>()](const JobScope&) -> Outcome {
        return Payload::of(
            Predicted{checkPredictions(*table, *score, measured), predictedRuns(runs, *table, *score)});
    };
    m_session->pool()->post(request, body)->then(this, [this, question](const Outcome& outcome) {
        const auto done = outcome.as<Predicted>();
        if (!done || m_question != question) return;
        m_check = done->check;
        m_predicted = done->runs;
        emit predicted();
    });
}

QString PredictionState::blocker() const {
    if (!m_session->model()) return tr("No model is open.");
    if (const QString why = m_session->evaluateBlocker(); !why.isEmpty()) return why;
    if (measuring()) return tr("Recipes are being measured.");
    if (m_tune->measuring()) return tr("Sensitivity is being measured.");
    const auto table = m_tune->table();
    if (!table || m_tune->unmeasured() == int(table->rows.size()))
        return tr("Measure the score first: there is nothing predicted to compare with.");
    const auto calibration = m_session->calibration();
    if (needsCalibration(*table) &&
        (!calibration || calibration->info().fingerprint != table->calibrationFingerprint))
        return tr(
            "The calibration is another one than the table was measured with. Measure the score again.");
    return {};
}

JobHandle* PredictionState::measure(int count) {
    if (!blocker().isEmpty()) return nullptr;
    m_table = m_tune->table();
    CheckInput in;
    in.model = m_session->model();
    if (needsCalibration(*m_table)) in.calibration = m_session->calibration();
    in.table = m_table;
    in.text = fewWindows(*in.model);
    in.draw = {m_measured.size(), size_t(count), m_table->seed};
    JobHandle* job = m_session->engine()->post(
        {QStringLiteral("prediction-check"), tr("Measure random recipes of %1").arg(m_session->title())},
        [in](const JobScope& scope) { return measuredRecipes(in, scope); });
    m_job = job;
    connect(job, &JobHandle::changed, this, &PredictionState::changed);
    job->onPartial(this, [this, job](const std::vector<Payload>& partials) {
        if (m_job != job) return;
        for (const Payload& p : partials)
            if (const auto m = p.as<MeasuredAssignment>()) m_measured.push_back(*m);
        predict();
        emit changed();
    });
    job->then(this, [this, job](const Outcome& outcome) {
        if (outcome.failed())
            emit m_session->failed(job->title(), QString::fromStdString(outcome.error().describe()));
        if (m_job == job) emit changed();
    });
    emit changed();
    return job;
}

void PredictionState::stop() {
    if (measuring()) m_job->cancel();
}

double PredictionState::progress() const {
    return measuring() ? std::max(0.0, m_job->fraction()) : -1;
}

QString PredictionState::protocol() const {
    if (!m_session->model()) return {};
    const TextRequest text = fewWindows(*m_session->model());
    return tr("%n windows of %1 tokens of the built-in evaluation text", nullptr, text.windows)
        .arg(text.windowLength);
}

} // namespace qs::app
