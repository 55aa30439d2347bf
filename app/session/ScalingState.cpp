// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/ScalingState.h"

#include "core/base/file.h"
#include "core/evaluate/evaluation_store.h"

#include <QDir>
#include <nlohmann/json.hpp>
#include <set>

namespace qs::app {

namespace fs = std::filesystem;

namespace {

constexpr int kPublishedWidths[] = {2, 3, 4};
constexpr size_t kLargestNote = 1 << 16;

fs::path tokensFile(const QString& cacheFolder) {
    return fs::path(cacheFolder.toStdString()) / "training.json";
}

/// 0 when nothing was noted.
double notedTokens(const fs::path& file) {
    const auto text = readTextFile(file, kLargestNote);
    const auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    const bool noted =
        json.is_object() && json.contains("training_tokens") && json["training_tokens"].is_number();
    const double tokens = noted ? json["training_tokens"].get<double>() : 0;
    return tokens > 0 ? tokens : 0;
}

/// What a worker reads the runs by.
struct RunsInput {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Evaluation> text; ///< the measurement whose text and protocol all must have
    QString cacheFolder;
    std::vector<ComparedRun> compared;
};

/// The first measured of the reference and the others.
std::shared_ptr<const Evaluation> textOf(const JudgeSet& set) {
    const ComparedRun* reference = set.find(set.against());
    if (reference && reference->run && reference->evaluation) return reference->evaluation;
    for (const ComparedRun& r : set.runs())
        if (r.run && r.evaluation && r.evaluation->hasReference) return r.evaluation;
    return nullptr;
}

ScalingPoint originalPoint(const Model& model, const Evaluation& e) {
    ScalingPoint p;
    p.name = QString::fromStdString(model.checkpoint().displayName());
    p.at = {p.name.toStdString(), 8.0 * double(model.checkpoint().totalBytes()), storedWidth(model), 0};
    const Evaluation original = evaluationOfReference(e);
    p.nll = original.nll;
    p.nllStderr = original.nllStderr;
    p.letter = 'A';
    return p;
}

ScalingPoint runPoint(const QString& name, const Plan& plan, const Evaluation& e) {
    ScalingPoint p;
    p.name = name;
    p.summary = QString::fromStdString(planSummary(plan));
    p.at = {name.toStdString(), 8.0 * double(plan.totalBytesAfter), bitWidth(plan), e.kl};
    p.bitsPerWeight = plan.bitsPerWeight();
    p.klStderr = e.klStderr;
    p.nll = e.nll;
    p.nllStderr = e.nllStderr;
    return p;
}

/// Of a run in the cache, on the same text; none when it was not measured there.
std::optional<ScalingPoint> cachedPoint(const RunsInput& in, const QString& folder) {
    const auto run = Run::open(folder.toStdString());
    if (!run || !(*run)->complete()) return std::nullopt;
    const auto weights = runWeights(*run, in.model);
    if (!weights) return std::nullopt;
    std::error_code ec;
    const fs::path file =
        evaluationFile(evaluationsFolder(in.cacheFolder), (*weights)->fingerprint(),
                       in.text->referenceFingerprint, *in.text->text, in.text->maskSeed, in.text->precision);
    if (!fs::exists(file, ec)) return std::nullopt;
    const auto e = loadEvaluation(file);
    const auto plan = planOfRun(**run, *in.model);
    if (!e || !plan || !e->hasReference || !whyNotComparable(*e, *in.text).empty()) return std::nullopt;
    return runPoint(QFileInfo(folder).fileName(), *plan, *e);
}

Result<ScalingRuns> readRunsOf(const RunsInput& in, const JobContext& job) {
    ScalingRuns out;
    out.protocol = QString::fromStdString(in.text->protocol);
    out.points.push_back(originalPoint(*in.model, *in.text));
    std::set<QString> known;
    for (const ComparedRun& r : in.compared) {
        if (!r.run) continue;
        known.insert(QDir(r.directory).canonicalPath());
        if (!r.evaluation || !r.evaluation->hasReference ||
            !whyNotComparable(*r.evaluation, *in.text).empty()) {
            ++out.elsewhere;
            continue;
        }
        out.points.push_back(runPoint(QStringLiteral("%1 · %2").arg(QLatin1Char(r.letter)).arg(r.name),
                                      *r.plan, *r.evaluation));
        out.points.back().letter = r.letter;
    }
    const QDir folder(in.cacheFolder + QStringLiteral("/runs"));
    for (const QString& name : folder.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name)) {
        QS_CHECK(job.checkpoint());
        if (known.count(QDir(folder.filePath(name)).canonicalPath())) continue;
        if (auto p = cachedPoint(in, folder.filePath(name))) out.points.push_back(std::move(*p));
    }
    std::vector<SizedQuality> points;
    for (const ScalingPoint& p : out.points)
        points.push_back(p.at);
    QS_TRY(out.law, kBitLaw(points));
    return out;
}

} // namespace

ScalingState::ScalingState(Session* session, const JudgeSet* set, QObject* parent)
    : QObject(parent), m_session(session), m_set(set) {
    connect(session, &Session::modelChanged, this, &ScalingState::onModelChanged);
    connect(session, &Session::calibrationChanged, this, &ScalingState::markCalibration);
    connect(set, &JudgeSet::changed, this, &ScalingState::markRuns);
    onModelChanged();
}

void ScalingState::onModelChanged() {
    m_runs.reset();
    m_parameters = 0;
    m_trainingTokens = 0;
    if (m_session->model()) readTokens();
    m_runsOld = true;
    markCalibration();
    emit changed();
}

void ScalingState::markRuns() {
    m_runsOld = true;
    emit outdated();
}

void ScalingState::markCalibration() {
    m_fourBit.reset();
    m_problem.clear();
    m_inputsOld = true;
    emit outdated();
}

void ScalingState::update() {
    const auto model = m_session->model(); // counted when somebody looks: opening goes through it all anyway
    if (model && m_parameters == 0)
        if (const auto n = nonEmbeddingParameters(*model)) m_parameters = *n;
    if (std::exchange(m_runsOld, false)) readRuns();
    if (std::exchange(m_inputsOld, false)) roundInputs();
}

void ScalingState::readRuns() {
    RunsInput in{m_session->model(), textOf(*m_set), m_session->cacheFolder(), m_set->runs()};
    if (!in.model || !in.text) {
        m_runs.reset();
        emit changed();
        return;
    }
    JobHandle* job = m_session->pool()->post(
        {QStringLiteral("scaling-runs"), tr("Read the runs of %1").arg(m_session->title()), false},
        [in](const JobScope& scope) { return Outcome::from(readRunsOf(in, scope.job())); });
    job->then(this, [this, model = in.model](const Outcome& outcome) {
        if (m_session->model() != model) return;
        if (auto runs = outcome.as<ScalingRuns>()) m_runs = std::move(runs);
        emit changed();
    });
}

void ScalingState::roundInputs() {
    const auto model = m_session->model();
    const auto calibration = m_session->calibration();
    if (!model || !calibration) {
        emit changed();
        return;
    }
    JobHandle* job =
        m_session->pool()->post({QStringLiteral("scaling-inputs"), tr("Round inputs to 4 bits"), false},
                                [model, calibration](const JobScope& scope) {
                                    return Outcome::from(fourBitInputs(*model, *calibration, scope.job()));
                                });
    job->then(this, [this, calibration](const Outcome& outcome) {
        if (m_session->calibration() != calibration) return;
        m_fourBit = outcome.as<FourBitReport>();
        if (outcome.failed()) m_problem = QString::fromStdString(outcome.error().describe());
        emit changed();
    });
}

void ScalingState::readTokens() {
    JobHandle* job =
        m_session->pool()->post({QString(), tr("Read the training tokens"), false},
                                [file = tokensFile(m_session->cacheFolder())](const JobScope&) -> Outcome {
                                    return Payload::of(notedTokens(file));
                                });
    job->then(this, [this, model = m_session->model()](const Outcome& outcome) {
        const auto tokens = outcome.as<double>();
        if (!tokens || m_session->model() != model || m_trainingTokens > 0) return; // said meanwhile
        m_trainingTokens = *tokens;
        emit changed();
    });
}

void ScalingState::setTrainingTokens(double tokens) {
    if (tokens == m_trainingTokens || !m_session->model()) return;
    m_trainingTokens = tokens;
    m_session->pool()->post(
        {QStringLiteral("scaling-save"), tr("Remember the training tokens"), false, 0, true},
        [tokens, file = tokensFile(m_session->cacheFolder())](const JobScope&) {
            std::error_code ec;
            fs::create_directories(file.parent_path(), ec);
            const nlohmann::json note = {{"version", 1}, {"training_tokens", tokens}};
            return Outcome::from(writeFileAtomically(file, note.dump(2) + "\n"));
        });
    emit changed();
}

QString ScalingState::fourBitProblem() const {
    if (!m_session->model()) return tr("No model is open.");
    if (!m_session->model()->hasForward())
        return QString::fromStdString(m_session->model()->noForwardReason());
    if (!m_session->calibration())
        return tr("Calibrate first: the answer comes from what every layer receives.");
    return m_problem;
}

std::vector<std::pair<int, QidEstimate>> ScalingState::degradation() const {
    std::vector<std::pair<int, QidEstimate>> out;
    if (m_parameters == 0 || !(m_trainingTokens > 0)) return out;
    std::set<int> widths(std::begin(kPublishedWidths), std::end(kPublishedWidths));
    if (m_runs)
        for (const ScalingPoint& p : m_runs->points)
            if (p.letter != 'A' && p.at.width > 0) widths.insert(p.at.width);
    for (const int width : widths)
        if (auto e = estimateQid(double(m_parameters), m_trainingTokens, width))
            out.emplace_back(width, std::move(*e));
    return out;
}

} // namespace qs::app
