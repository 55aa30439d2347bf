// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/JudgeSet.h"

#include "core/base/file.h"
#include "core/evaluate/evaluation_store.h"

#include <QDateTime>
#include <QDir>
#include <QFileInfo>
#include <nlohmann/json.hpp>

namespace qs::app {

namespace fs = std::filesystem;
using nlohmann::json;

/// A run with its plan and what was measured of it earlier.
struct JudgeSet::Loaded {
    std::string directory;
    std::shared_ptr<const Run> run;
    std::shared_ptr<const Plan> plan;
    std::string weightsFingerprint;
    std::shared_ptr<const Evaluation> evaluation;
};

struct JudgeSet::Restored {
    std::vector<std::pair<char, Loaded>> runs;
    char against = 'A';
    std::shared_ptr<const Evaluation> original; ///< the model alone, when no run was measured
    std::string modelFingerprint;
};

namespace {

constexpr size_t kMaxList = size_t(1) << 20;

fs::path listFile(const QString& cacheFolder) {
    return fs::path(cacheFolder.toStdString()) / "judge.json";
}

fs::path evaluations(const QString& cacheFolder) {
    return fs::path(cacheFolder.toStdString()) / "evaluations";
}

std::shared_ptr<const Evaluation> newest(const fs::path& folder, const std::string& weights,
                                         const std::string& reference) {
    auto e = newestEvaluation(folder, weights, reference);
    return e ? std::make_shared<const Evaluation>(std::move(e).value()) : nullptr;
}

bool isLetter(const std::string& text) {
    return text.size() == 1 && text[0] >= 'A' && text[0] <= 'D';
}

} // namespace

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

namespace {

Result<std::shared_ptr<const Plan>> planOf(const Run& run, const Model& model) {
    QS_TRY(Plan plan, planOfRun(run, model));
    return std::make_shared<const Plan>(std::move(plan));
}

} // namespace

JobHandle* JudgeSet::addRun(const QString& directory) {
    return addBlocker().isEmpty() ? load(directory, false) : nullptr;
}

JobHandle* JudgeSet::load(const QString& directory, bool automatic) {
    const auto body = [model = m_session->model(), folder = m_session->cacheFolder(),
                       path = QDir::cleanPath(directory).toStdString()](const JobScope&) -> Outcome {
        const auto read = [&]() -> Result<Loaded> {
            Loaded out;
            out.directory = path;
            QS_TRY(out.run, Run::open(path));
            QS_TRY(const auto weights, runWeights(out.run, model));
            QS_TRY(out.plan, planOf(*out.run, *model));
            out.weightsFingerprint = weights->fingerprint();
            out.evaluation =
                newest(evaluations(folder), out.weightsFingerprint, modelWeights(*model)->fingerprint());
            return out;
        };
        return Outcome::from(read());
    };
    const QString title = tr("Compare with run %1").arg(QFileInfo(directory).fileName());
    JobHandle* job = m_session->pool()->post({QString(), title, !automatic, 0}, body);
    return job->then(this, [this, model = m_session->model(), title, automatic](const Outcome& outcome) {
        if (m_session->model() != model) return;
        if (outcome.failed() && !automatic)
            emit m_session->failed(title, QString::fromStdString(outcome.error().describe()));
        const auto loaded = outcome.as<Loaded>();
        if (!loaded) return;
        const char letter = freeLetter();
        if (letter || automatic) adopt(*loaded, letter ? letter : 'D');
        settle(true);
    });
}

void JudgeSet::adopt(Loaded loaded, char letter) {
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
    m_restoring = false;
    if (const auto model = m_session->model()) {
        ComparedRun original;
        original.name = tr("original");
        original.summary = m_session->title();
        m_runs.push_back(std::move(original));
        restore();
    }
    emit changed();
}

void JudgeSet::restore() {
    m_restoring = true;
    const auto body = [model = m_session->model(),
                       folder = m_session->cacheFolder()](const JobScope&) -> Outcome {
        Restored out;
        out.modelFingerprint = modelWeights(*model)->fingerprint();
        const auto text = readTextFile(listFile(folder), kMaxList);
        const json list = text ? json::parse(*text, nullptr, false) : json();
        const json runs = list.is_object() ? list.value("runs", json::array()) : json::array();
        for (const json& r : runs) {
            if (!r.is_object() || !r.contains("letter") || !r["letter"].is_string() ||
                !r.contains("directory") || !r["directory"].is_string() || !isLetter(r["letter"]) ||
                out.runs.size() >= kMostRuns)
                continue;
            Loaded loaded;
            loaded.directory =
                (fs::path(folder.toStdString()) / r["directory"].get<std::string>()).lexically_normal();
            auto run = Run::open(loaded.directory);
            if (!run) continue; // removed meanwhile
            auto weights = runWeights(*run, model);
            auto plan = planOf(**run, *model);
            if (!weights || !plan || r["letter"] == "A") continue;
            loaded.run = *run;
            loaded.plan = *plan;
            loaded.weightsFingerprint = (*weights)->fingerprint();
            loaded.evaluation = newest(evaluations(folder), loaded.weightsFingerprint, out.modelFingerprint);
            out.runs.emplace_back(r["letter"].get<std::string>()[0], std::move(loaded));
        }
        if (list.is_object() && list.contains("against") && list["against"].is_string() &&
            isLetter(list["against"]))
            out.against = list["against"].get<std::string>()[0];
        out.original = newest(evaluations(folder), out.modelFingerprint, {});
        return Payload::of(std::move(out));
    };
    JobHandle* job = m_session->pool()->post({QString(), tr("Read the runs compared"), false, 0}, body);
    job->then(this, [this, model = m_session->model()](const Outcome& outcome) {
        if (m_session->model() != model) return;
        m_restoring = false;
        if (const auto restored = outcome.as<Restored>()) {
            for (ComparedRun& r : m_runs)
                if (r.letter == 'A' && !r.evaluation) {
                    r.weightsFingerprint = restored->modelFingerprint;
                    r.evaluation = restored->original;
                }
            for (const auto& [letter, loaded] : restored->runs)
                adopt(loaded, letter);
            if (restored->against != 'A' && find(restored->against)) {
                m_against = restored->against;
                m_chosen = true;
            }
        }
        for (const QString& directory : std::exchange(m_waiting, {}))
            load(directory, true);
        settle(false);
    });
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
    m_session->pool()->post(request, [list, file = listFile(m_session->cacheFolder())](const JobScope&) {
        std::error_code ec;
        fs::create_directories(file.parent_path(), ec);
        return Outcome::from(
            writeFileAtomically(file, list.dump(2, ' ', false, json::error_handler_t::replace) + "\n"));
    });
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
