// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/JudgeSet.h"

#include "core/base/file.h"

#include <QDateTime>
#include <QDir>
#include <QFileInfo>
#include <nlohmann/json.hpp>

namespace qs::app {

namespace fs = std::filesystem;
using nlohmann::json;

JudgeSet::JudgeSet(Session* session, QObject* parent) : QObject(parent), m_session(session) {
    connect(session, &Session::modelChanged, this, &JudgeSet::onModelChanged);
    connect(session, &Session::runChanged, this, &JudgeSet::onRunChanged);
    connect(session, &Session::evaluationChanged, this, &JudgeSet::onEvaluationChanged);
    onModelChanged();
}

const ComparedRun* JudgeSet::find(char letter) const {
    for (const ComparedRun& r : m_runs)
        if (r.letter == letter) return &r;
    return nullptr;
}

std::vector<std::shared_ptr<const Run>> JudgeSet::others() const {
    std::vector<std::shared_ptr<const Run>> out;
    const auto own = m_session->run();
    for (const ComparedRun& r : m_runs)
        if (r.run && (!own || r.run->directory() != own->directory())) out.push_back(r.run);
    return out;
}

void JudgeSet::setAgainst(char letter) {
    if (!find(letter) || letter == m_against) return;
    m_against = letter;
    m_chosen = true;
    settle(true);
}

QString JudgeSet::problem(const ComparedRun& run) const {
    const ComparedRun* reference = find(m_against);
    if (!reference || !reference->evaluation || !run.evaluation || reference == &run) return {};
    const std::string why = whyNotComparable(*run.evaluation, *reference->evaluation);
    return why.empty() ? QString() : tr("not comparable: %1").arg(QString::fromStdString(why));
}

AgainstReference JudgeSet::difference(char letter) const {
    const auto it = m_differences.find(letter);
    return it == m_differences.end() ? AgainstReference() : it->second;
}

QString JudgeSet::addBlocker() const {
    if (!m_session->model()) return tr("Open a model first.");
    if (m_runs.size() > kMostRuns) return tr("Three runs are compared already. Remove one first.");
    return {};
}

char JudgeSet::freeLetter() const {
    for (char letter = 'B'; letter <= 'D'; ++letter)
        if (!find(letter)) return letter;
    return 0;
}

// --- Loading ---

JobHandle* JudgeSet::addRun(const QString& directory) {
    return addBlocker().isEmpty() ? load(directory, false) : nullptr;
}

JobHandle* JudgeSet::load(const QString& directory, bool automatic) {
    const auto body = [model = m_session->model(), folder = m_session->cacheFolder(),
                       path = QDir::cleanPath(directory).toStdString()](const JobScope&) -> Outcome {
        return Outcome::from(loadRun(path, model, folder));
    };
    const QString title = tr("Compare with run %1").arg(QFileInfo(directory).fileName());
    JobHandle* job = m_session->pool()->post({QString(), title, !automatic, 0}, body);
    return job->then(this, [this, model = m_session->model(), title, automatic](const Outcome& outcome) {
        if (m_session->model() != model) return;
        if (outcome.failed() && !automatic)
            emit m_session->failed(title, QString::fromStdString(outcome.error().describe()));
        const auto loaded = outcome.as<LoadedRun>();
        if (!loaded || (automatic && knows(*loaded))) return;
        const char letter = freeLetter();
        if (letter || automatic) adopt(*loaded, letter ? letter : 'D');
        settle(true);
    });
}

/// The same run with the same weights is there: it keeps the measurement it has.
bool JudgeSet::knows(const LoadedRun& loaded) const {
    return std::any_of(m_runs.begin(), m_runs.end(), [&](const ComparedRun& r) {
        return r.run && r.run->directory() == loaded.run->directory() && r.evaluation &&
               r.weightsFingerprint == loaded.weightsFingerprint;
    });
}

void JudgeSet::adopt(LoadedRun loaded, char letter) {
    ComparedRun r;
    r.directory = QString::fromStdString(loaded.directory);
    for (const ComparedRun& known : m_runs)
        if (known.run && known.run->directory() == loaded.run->directory()) letter = known.letter;
    r.letter = letter;
    const bool cached = r.directory.startsWith(m_session->cacheFolder() + QLatin1Char('/'));
    r.name = cached ? tr("run %1").arg(QString::fromStdString(loaded.run->manifest().planFingerprint).left(6))
                    : QFileInfo(r.directory).fileName();
    r.summary = QString::fromStdString(planSummary(*loaded.plan));
    r.run = std::move(loaded.run);
    r.plan = std::move(loaded.plan);
    r.weightsFingerprint = std::move(loaded.weightsFingerprint);
    r.evaluation = std::move(loaded.evaluation);
    std::erase_if(m_runs, [letter](const ComparedRun& known) { return known.letter == letter; });
    m_runs.push_back(std::move(r));
    std::sort(m_runs.begin(), m_runs.end(),
              [](const ComparedRun& a, const ComparedRun& b) { return a.letter < b.letter; });
}

void JudgeSet::removeRun(char letter) {
    if (letter == 'A' || !find(letter)) return;
    std::erase_if(m_runs, [letter](const ComparedRun& r) { return r.letter == letter; });
    settle(true);
}

// --- Session ---

void JudgeSet::onModelChanged() {
    m_runs.clear();
    m_differences.clear();
    m_waiting.clear();
    m_against = 'A';
    m_chosen = false;
    m_restoring = nullptr;
    if (const auto model = m_session->model()) {
        ComparedRun original;
        original.name = tr("original");
        original.summary = m_session->title();
        m_runs.push_back(std::move(original));
        restore({QString(), tr("Read the runs compared"), false, 0},
                [model, folder = m_session->cacheFolder()] { return loadJudgeList(model, folder); });
    }
    emit changed();
}

JobHandle* JudgeSet::open(const std::vector<SessionState::Compared>& compared, char against) {
    return restore(
        {QString(), tr("Read the runs of the session"), false, 0},
        [compared, against, model = m_session->model()] { return loadCompared(compared, against, model); });
}

JobHandle* JudgeSet::restore(const JobRequest& request, std::function<LoadedRuns()> read) {
    JobHandle* job = m_session->pool()->post(
        request, [read = std::move(read)](const JobScope&) -> Outcome { return Payload::of(read()); });
    m_restoring = job;
    return job->then(this, [this, job](const Outcome& outcome) {
        if (m_restoring != job) return; // another model, or another list was asked for
        m_restoring = nullptr;
        if (const auto loaded = outcome.as<LoadedRuns>()) onRestored(*loaded);
        for (const QString& directory : std::exchange(m_waiting, {}))
            load(directory, true);
        settle(false);
    });
}

void JudgeSet::onRestored(const LoadedRuns& loaded) {
    std::erase_if(m_runs, [](const ComparedRun& r) { return r.letter != 'A'; });
    for (ComparedRun& original : m_runs) {
        original.weightsFingerprint = loaded.modelFingerprint;
        original.evaluation = loaded.original;
    }
    for (const auto& [letter, run] : loaded.runs)
        adopt(run, letter);
    m_chosen = loaded.against != 'A' && find(loaded.against);
    m_against = m_chosen ? loaded.against : 'A';
}

void JudgeSet::onRunChanged() {
    const auto run = m_session->run();
    if (!run || !run->complete() || m_runs.empty()) return;
    for (const ComparedRun& r : m_runs)
        if (r.run == run) return;
    const QString directory = QString::fromStdString(run->directory().string());
    if (m_restoring)
        m_waiting << directory;
    else
        load(directory, true);
}

void JudgeSet::onEvaluationChanged() {
    const auto e = m_session->evaluation();
    if (!e || m_runs.empty()) return;
    const auto take = [this](const std::shared_ptr<const Evaluation>& evaluation) {
        for (ComparedRun& r : m_runs)
            if (r.run && r.weightsFingerprint == evaluation->weightsFingerprint) r.evaluation = evaluation;
    };
    if (e->before) m_runs.front().evaluation = std::make_shared<const Evaluation>(*e->before);
    if (e->after) take(std::make_shared<const Evaluation>(*e->after));
    for (const auto& other : e->others)
        take(other);
    settle(false);
}

/// What follows from a change: the original's numbers, the reference, the comparisons.
void JudgeSet::settle(bool toSave) {
    if (m_runs.empty()) return;
    ComparedRun& original = m_runs.front();
    for (const ComparedRun& r : m_runs)
        if (!original.evaluation && r.evaluation && r.evaluation->hasReference)
            original.evaluation = std::make_shared<const Evaluation>(evaluationOfReference(*r.evaluation));
    if (!find(m_against)) m_chosen = false;
    if (!m_chosen) m_against = m_runs.size() > 2 ? m_runs.back().letter : 'A';
    m_differences.clear();
    if (toSave) save();
    compare();
    emit changed();
}

void JudgeSet::compare() {
    struct Pair {
        char letter;
        std::shared_ptr<const Evaluation> evaluation;
    };
    using Differences = std::map<char, AgainstReference>;
    const ComparedRun* reference = find(m_against);
    std::vector<Pair> pairs;
    for (const ComparedRun& r : m_runs) {
        if (r.letter == m_against || !r.evaluation || !reference->evaluation) continue;
        if (const QString why = problem(r); !why.isEmpty())
            m_differences[r.letter].problem = why;
        else if (r.evaluation->windows() < 2)
            m_differences[r.letter].problem = tr("one window: no interval");
        else
            pairs.push_back({r.letter, r.evaluation});
    }
    const JobRequest request{QStringLiteral("judge-compare"), tr("Compare runs"), false, 0};
    JobHandle* job = m_session->pool()->post(
        request, [pairs, against = reference->evaluation](const JobScope& scope) -> Outcome {
            Differences out;
            for (const Pair& p : pairs) {
                auto d = compareEvaluations(*p.evaluation, *against, {}, scope.job());
                if (d.isCancelled()) return Outcome::cancelled();
                if (d)
                    out[p.letter].difference = *d;
                else
                    out[p.letter].problem = QString::fromStdString(d.error().message);
            }
            return Payload::of(std::move(out));
        });
    job->then(this, [this, model = m_session->model()](const Outcome& outcome) {
        const auto differences = outcome.as<Differences>();
        if (!differences || m_session->model() != model) return;
        for (const auto& [letter, d] : *differences)
            m_differences[letter] = d;
        emit differencesChanged();
    });
}

void JudgeSet::save() {
    json list = {
        {"version", 1}, {"runs", json::array()}, {"against", std::string(1, m_chosen ? m_against : 'A')}};
    const QDir cache(m_session->cacheFolder());
    for (const ComparedRun& r : m_runs) {
        if (!r.run) continue;
        const QString relative = cache.relativeFilePath(r.directory);
        list["runs"].push_back(
            {{"letter", std::string(1, r.letter)},
             {"directory",
              (relative.startsWith(QLatin1String("..")) ? r.directory : relative).toStdString()}});
    }
    const JobRequest request{QStringLiteral("judge-save"), tr("Remember the runs compared"), false, 0, true};
    m_session->pool()->post(request, [list, file = judgeListFile(m_session->cacheFolder())](const JobScope&) {
        std::error_code ec;
        fs::create_directories(file.parent_path(), ec);
        return Outcome::from(
            writeFileAtomically(file, list.dump(2, ' ', false, json::error_handler_t::replace) + "\n"));
    });
}

std::vector<MeasuredRun> JudgeSet::measured() const {
    std::vector<MeasuredRun> out;
    for (const ComparedRun& r : m_runs)
        out.push_back({r.letter, r.run, r.evaluation});
    return out;
}

ReportInput JudgeSet::reportInput() const {
    ReportInput input;
    input.model = m_session->model();
    input.title = m_session->title().toStdString();
    for (const ComparedRun& r : m_runs) {
        if (r.letter == m_against) input.against = input.runs.size();
        input.runs.push_back({std::string(1, r.letter), r.name.toStdString(), r.run, r.plan, r.evaluation});
    }
    input.createdUtc = QDateTime::currentDateTimeUtc().toString(Qt::ISODate).toStdString();
    return input;
}

} // namespace qs::app
