// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/TuneState.h"

#include "app/session/KlShare.h"
#include "core/base/file.h"

#include <QElapsedTimer>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

constexpr int kOfferedBits[] = {2, 3, 4, 5, 6, 8};
constexpr int kPublishMs = 400;
constexpr int kSolvePriority = 30; ///< somebody waits for it
constexpr int kSaveMs = 60000;     ///< what a crash may cost

struct MeasureInput {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Calibration> calibration; ///< may be null
    std::shared_ptr<const SensitivityTable> known;  ///< may be null
    std::vector<Scheme> candidates;
    quint64 seed = 0;
    SensitivityRequest wanted; ///< which measures
    TextRequest text;
    std::filesystem::path file; ///< keeps the table from one opening of the model to the next
};

/// The last table of a model, beside its other results.
std::filesystem::path tableFile(const Session& session) {
    return std::filesystem::path(session.cacheFolder().toStdString()) / "sensitivity.json";
}

Result<void> keep(const SensitivityTable& table, const std::filesystem::path& file) {
    std::error_code ec;
    std::filesystem::create_directories(file.parent_path(), ec); // the write says what went wrong
    return table.save(file);
}

Outcome measured(const MeasureInput& in, const JobScope& scope) {
    auto table = SensitivityTable::begin(*in.model, in.candidates, in.seed);
    if (!table) return table.takeError();
    SensitivityRequest request = in.wanted;
    request.calibration = in.calibration.get();
    if (in.calibration) table->calibrationFingerprint = in.calibration->info().fingerprint;
    TokenWindows tokens;
    if (request.runs()) {
        auto cut = windowsFor(*in.model, in.text, false);
        if (!cut) return cut.takeError();
        tokens = std::move(*cut);
        request.text = &tokens;
        table->textFingerprint = sensitivityTextFingerprint(tokens, scope.backend().precision());
    } else if (in.known) {
        table->textFingerprint = in.known->textFingerprint;
    }
    if (in.known) table->adopt(*in.known);
    QElapsedTimer sincePublished, sinceKept;
    sincePublished.start();
    sinceKept.start();
    const auto sink = [&](const SensitivityTable& now, size_t) {
        if (sincePublished.elapsed() < kPublishMs) return;
        sincePublished.restart();
        scope.publish(Payload::of(SensitivityTable(now)));
        if (sinceKept.elapsed() < kSaveMs) return;
        (void)keep(now, in.file); // the last one of the job is what errors are told of
        sinceKept.restart();
    };
    const auto done = measureSensitivity(*in.model, request, *table, scope.backend(), scope.job(), sink);
    const auto kept = keep(*table, in.file);
    scope.publish(Payload::of(std::move(*table)));
    if (!done) return done.error();
    return Outcome::from(kept);
}

} // namespace

TuneState::TuneState(Session* session, QObject* parent)
    : QObject(parent), m_session(session), m_score(*findScore("linearity")) {
    connect(session, &Session::modelChanged, this, &TuneState::startOver);
    connect(session, &Session::calibrationChanged, this, &TuneState::changed);
    connect(session->table(), &SchemeTable::planChanged, this, [this] {
        m_candidateOf.clear(); // pointers of schemes that may be gone
        if (!m_locked.isEmpty()) requestCurve();
        emit changed();
    });
}

void TuneState::startOver() {
    stop();
    m_job = nullptr;
    m_table.reset();
    m_curve.reset();
    m_locked.clear();
    m_solved = {};
    m_steps.clear();
    m_candidateOf.clear();
    emit changed();
    emit curveChanged();
    emit stepsChanged();
    loadKept();
}

/// What was measured when the model was open before. A file that cannot be read is one that is not there: it
/// is written anew.
void TuneState::loadKept() {
    if (!m_session->model()) return;
    JobRequest request{QStringLiteral("tune-table"), tr("Sensitivity measured before")};
    request.listed = false;
    const auto body = [file = tableFile(*m_session), fingerprint = m_session->fingerprint().toStdString(),
                       linears = m_session->model()->targets().size()](const JobScope&) -> Outcome {
        auto table = SensitivityTable::load(file);
        if (!table || table->modelFingerprint != fingerprint || table->rows.size() != linears)
            return Payload();
        return Payload::of(std::move(*table));
    };
    m_session->pool()->post(request, body)->then(this, [this, model = m_session->model()](const Outcome& o) {
        const auto table = o.as<SensitivityTable>();
        if (table && !m_table && !measuring() && m_session->model() == model) adopt(table);
    });
}

void TuneState::setScore(const std::string& id) {
    const auto score = findScore(id);
    if (!score || *score == m_score) return;
    m_score = *score;
    requestCurve();
    emit changed();
}

std::vector<Scheme> TuneState::candidates() const {
    const SchemeTable& schemes = *m_session->table();
    std::unordered_map<const Scheme*, int> count;
    const Scheme* base = &schemes.defaultScheme();
    int most = 0;
    for (const auto& s : schemes.schemes())
        if (s && ++count[s.get()] > most) {
            most = count[s.get()];
            base = s.get();
        }
    Scheme scheme = *base;
    if (const auto method = findMethod(scheme.method);
        !method || ((*method)->needs != Needs::Nothing && !m_session->calibration()))
        scheme.methodParams = Params::defaults((*findMethod(scheme.method = "rtn"))->params);
    std::vector<Scheme> out;
    const auto codec = findCodec(scheme.codec);
    for (const int bits : kOfferedBits) {
        if (!codec || std::find((*codec)->bits.begin(), (*codec)->bits.end(), bits) == (*codec)->bits.end())
            continue;
        auto params = (*codec)->withBits(scheme.codecParams, bits);
        if (!params) continue;
        Scheme s = scheme;
        s.codecParams = std::move(*params);
        if (std::find(out.begin(), out.end(), s) == out.end()) out.push_back(std::move(s));
    }
    return out;
}

QString TuneState::measureBlocker() const {
    if (!m_session->model()) return tr("No model is open.");
    if (measuring()) return tr("Sensitivity is being measured.");
    const SensitivityRequest request = requestFor(*m_score);
    if (request.runs())
        if (const QString why = m_session->evaluateBlocker(); !why.isEmpty()) return why;
    if ((m_score->id == "output_error" || request.salience) && !m_session->calibration())
        return tr("This score needs activations: calibrate first.");
    if (candidates().empty()) return tr("The format of most tensors comes at no other bits.");
    return {};
}

int TuneState::unmeasured() const {
    if (!m_table) return m_session->table()->count();
    int count = 0;
    for (const SensitivityRow& row : m_table->rows)
        count += std::none_of(row.cells.begin(), row.cells.end(), [&](const SensitivityCell& c) {
            return c.legal() && std::isfinite(m_score->cost(row, c));
        });
    return count;
}

JobHandle* TuneState::measure() {
    if (!measureBlocker().isEmpty()) return nullptr;
    MeasureInput in;
    in.model = m_session->model();
    in.calibration = m_session->calibration();
    in.known = m_table;
    in.candidates = candidates();
    in.seed = m_session->table()->seed();
    in.wanted = requestFor(*m_score);
    in.file = tableFile(*m_session);
    if (in.wanted.runs()) in.text = fewWindows(*in.model);
    JobHandle* job = m_session->engine()->post(
        {QStringLiteral("sensitivity"), tr("Measure sensitivity of %1").arg(m_session->title())},
        [in](const JobScope& scope) { return measured(in, scope); });
    m_job = job;
    connect(job, &JobHandle::changed, this, &TuneState::changed);
    job->onPartial(this, [this, job, model = in.model](const std::vector<Payload>& partials) {
        if (m_job != job || m_session->model() != model || partials.empty()) return;
        if (const auto table = partials.back().as<SensitivityTable>()) adopt(table);
    });
    job->then(this, [this, job](const Outcome& outcome) {
        if (outcome.failed())
            emit m_session->failed(job->title(), QString::fromStdString(outcome.error().describe()));
        if (m_job == job) emit changed();
    });
    emit changed();
    return job;
}

void TuneState::stop() {
    if (measuring()) m_job->cancel();
}

double TuneState::progress() const {
    return measuring() ? std::max(0.0, m_job->fraction()) : -1;
}

void TuneState::adopt(std::shared_ptr<const SensitivityTable> table) {
    if (!m_table || m_table->candidates != table->candidates)
        m_runtimeCandidates = std::make_shared<RuntimeCandidates>(m_runtime);
    m_table = std::move(table);
    m_candidateOf.clear();
    requestCurve();
    emit changed();
}

std::optional<size_t> TuneState::candidateOf(int target) const {
    const auto& scheme = m_session->table()->schemes()[size_t(target)];
    if (!scheme || !m_table) return std::nullopt;
    const auto known = m_candidateOf.find(scheme.get());
    if (known != m_candidateOf.end()) return known->second;
    const auto& all = m_table->candidates;
    const auto it = std::find(all.begin(), all.end(), *scheme);
    return m_candidateOf[scheme.get()] =
               it == all.end() ? std::nullopt : std::optional(size_t(it - all.begin()));
}

double TuneState::cost(int target, size_t candidate) const {
    const SensitivityRow& row = m_table->rows[size_t(target)];
    const SensitivityCell& cell = row.cells[candidate];
    return cell.legal() ? m_score->cost(row, cell) : NAN;
}

TunePresent TuneState::present() const {
    TunePresent out;
    const SchemeTable& table = *m_session->table();
    out.at.bytes = table.summary().totalBytesAfter;
    for (int t = 0; t < table.count(); ++t) {
        if (!table.schemes()[size_t(t)]) continue; // kept: nothing is lost
        const auto candidate = candidateOf(t);
        const double cost = candidate ? this->cost(t, *candidate) : NAN;
        if (std::isfinite(cost))
            out.at.cost += cost;
        else
            ++out.unknown;
        if (!std::isfinite(cost) || !m_score->uncertainty) continue;
        const SensitivityRow& row = m_table->rows[size_t(t)];
        if (const double e = m_score->uncertainty(row, row.cells[*candidate]); std::isfinite(e))
            out.at.uncertainty = std::hypot(out.at.uncertainty, e);
    }
    return out;
}

void TuneState::requestSteps() {
    if (!m_table) {
        m_steps.clear();
        emit stepsChanged();
        return;
    }
    std::vector<std::optional<size_t>> present;
    std::vector<char> fixed;
    for (int t = 0; t < m_session->table()->count(); ++t) {
        present.push_back(candidateOf(t));
        fixed.push_back(m_locked.contains(t));
    }
    JobRequest request{QStringLiteral("tune-steps"), tr("Next steps")};
    request.listed = false;
    const auto body = [table = m_table, score = m_score, present = std::move(present),
                       fixed = std::move(fixed), tie = m_tieFused](const JobScope&) -> Outcome {
        const auto tied = tie ? fusedTies(*table) : std::vector<std::vector<std::string>>();
        return Payload::of(nextSteps(*table, *score, present, fixed, tied));
    };
    m_session->pool()->post(request, body)->then(this, [this, table = m_table](const Outcome& outcome) {
        const auto steps = outcome.as<std::vector<NextStep>>();
        if (m_table != table || !steps) return;
        m_steps = *steps;
        emit stepsChanged();
    });
}

QString TuneState::take(const NextStep& step) {
    QVector<int> targets;
    for (const size_t row : step.rows)
        targets.push_back(int(row));
    return m_session->table()->edit(targets, ui::SchemeEdit::replace(m_table->candidates[step.candidate]));
}

void TuneState::setLocked(const QVector<int>& targets, bool locked) {
    for (const int t : targets)
        locked ? void(m_locked.insert(t)) : void(m_locked.remove(t));
    requestCurve();
    emit changed();
}

void TuneState::setTieFused(bool tie) {
    if (m_tieFused == tie) return;
    m_tieFused = tie;
    requestCurve();
    emit changed();
}

void TuneState::setRuntime(const std::string& id) {
    if (m_runtime == id) return;
    m_runtime = id;
    m_runtimeCandidates = std::make_shared<RuntimeCandidates>(id);
    requestCurve();
    emit changed();
}

TuneConstraints TuneState::constraints() const {
    TuneConstraints out{m_table, m_session->model(), m_score, {}, {}, m_tieFused, m_runtimeCandidates};
    for (const int t : m_locked) {
        const auto candidate = candidateOf(t);
        out.locked.emplace_back(size_t(t), candidate);
        if (!candidate) out.bytesNow.emplace_back(size_t(t), m_session->table()->row(t).bytesAfter);
    }
    return out;
}

void TuneState::requestCurve() {
    if (!m_table) return;
    JobRequest request{QStringLiteral("tune-curve"), tr("Frontier")};
    request.listed = false;
    m_session->pool()
        ->post(request,
               [in = constraints()](const JobScope&) -> Outcome {
                   auto curve = curveOf(in);
                   if (!curve) return curve.takeError();
                   return Payload::of(std::move(*curve));
               })
        ->then(this, [this, table = m_table](const Outcome& outcome) {
            if (m_table != table || outcome.isCancelled()) return;
            m_curve = outcome.as<TuneCurve>();
            emit curveChanged();
        });
}

QString TuneState::solveBlocker() const {
    if (!m_session->model()) return tr("No model is open.");
    if (!m_table || unmeasured() == m_session->table()->count())
        return tr("Measure first: solving needs to know what every scheme costs.");
    return {};
}

JobHandle* TuneState::solve(const TuneRequest& request) {
    if (!solveBlocker().isEmpty()) return nullptr;
    const SchemeTable& schemes = *m_session->table();
    auto in = std::make_shared<SolveInput>();
    in->model = m_session->model();
    in->constraints = constraints();
    in->mayKeep = request.mayKeep;
    in->before = schemes.schemes();
    in->locked.resize(in->before.size());
    for (size_t r = 0; r < in->before.size(); ++r) {
        in->bytesBefore.push_back(schemes.row(int(r)).bytesAfter);
        in->locked[r] = m_locked.contains(int(r));
    }
    QString what;
    switch (request.target) {
    case TuneTarget::CheckpointMiB:
        in->target.checkpointBytes = uint64_t(request.value * 0x1p20);
        what = tr("%1 MiB").arg(QLocale().toString(request.value, 'f', 2));
        break;
    case TuneTarget::BitsPerWeight:
        in->target.bitsPerWeight = request.value;
        what = tr("%1 bits per weight").arg(QLocale().toString(request.value, 'f', 3));
        break;
    case TuneTarget::MemoryMiB: {
        if (const auto forward = in->model->requireForward(); !forward) {
            emit refused(QString::fromStdString(forward.error().message));
            return nullptr;
        }
        const auto bytes =
            weightBytesWithin(uint64_t(request.value * 0x1p20), in->model->spec(),
                              {m_runtime.empty() ? "llama.cpp" : m_runtime, 0, request.context, "f16"});
        if (!bytes) {
            emit refused(QString::fromStdString(bytes.error().message));
            return nullptr;
        }
        in->target.checkpointBytes = *bytes;
        what = tr("%1 MiB of memory").arg(QLocale().toString(request.value, 'f', 2));
        break;
    }
    case TuneTarget::PerplexityPercent:
        in->target.loss = std::log1p(request.value / 100);
        what = tr("perplexity + %1 %").arg(QLocale().toString(request.value, 'f', 2));
        break;
    }
    JobRequest job{QStringLiteral("tune-solve"), tr("Solve for %1").arg(what)};
    job.listed = false;
    job.priority = kSolvePriority;
    JobHandle* handle = m_session->pool()->post(job, [in](const JobScope& scope) -> Outcome {
        auto solved = solvedFor(*in, scope.job());
        if (!solved) return solved.takeError();
        return Payload::of(std::move(*solved));
    });
    handle->then(this, [this, in, what](const Outcome& outcome) {
        if (m_session->model() != in->model || outcome.isCancelled()) return;
        if (outcome.failed()) {
            emit refused(QString::fromStdString(outcome.error().message));
            return;
        }
        const auto answer = outcome.as<SolveOutcome>();
        SchemeTable& table = *m_session->table();
        std::vector<SchemeTable::SchemePtr> candidates, after;
        for (const Scheme& s : in->constraints.table->candidates)
            candidates.push_back(table.share(s));
        for (size_t r = 0; r < answer->candidate.size(); ++r) {
            const auto& c = answer->candidate[r];
            after.push_back(in->locked[r] ? table.schemes()[r] : c ? candidates[*c] : nullptr);
        }
        table.applySchemes(after, tr("Solve for %1").arg(what));
        m_solved = answer->solved;
        m_solved.at.bytes = table.summary().totalBytesAfter;
        emit solved();
    });
    return handle;
}

} // namespace qs::app
