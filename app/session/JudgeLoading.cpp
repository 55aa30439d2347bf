// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/JudgeLoading.h"

#include "core/base/file.h"
#include "core/evaluate/evaluation_store.h"
#include "core/export/exporter.h"
#include "core/model/weights.h"

#include <QCoreApplication>
#include <QDir>
#include <nlohmann/json.hpp>

namespace qs::app {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr size_t kMaxList = size_t(1) << 20;
constexpr size_t kMostRuns = 3;

QString tr(const char* text) {
    return QCoreApplication::translate("JudgeLoading", text);
}

std::shared_ptr<const Evaluation> newest(const fs::path& folder, const std::string& weights,
                                         const std::string& reference) {
    auto e = newestEvaluation(folder, weights, reference);
    return e ? std::make_shared<const Evaluation>(std::move(e).value()) : nullptr;
}

/// 'A' to 'D', or 0.
char letterIn(const json& object, const char* key) {
    const auto it = object.find(key);
    if (it == object.end() || !it->is_string()) return 0;
    const std::string text = it->get<std::string>();
    return text.size() == 1 && text[0] >= 'A' && text[0] <= 'D' ? text[0] : 0;
}

/// Without a measurement.
Result<LoadedRun> openRun(const std::string& directory, const std::shared_ptr<const Model>& model) {
    LoadedRun out;
    out.directory = directory;
    QS_TRY(out.run, Run::open(directory));
    QS_TRY(const auto weights, runWeights(out.run, model));
    QS_TRY(Plan plan, planOfRun(*out.run, *model));
    out.plan = std::make_shared<const Plan>(std::move(plan));
    out.weightsFingerprint = weights->fingerprint();
    return out;
}

/// The measurement a session file names; null, and why among the problems, when it cannot be used.
std::shared_ptr<const Evaluation> measurementOf(const SessionState::Compared& c, const std::string& weights,
                                                QStringList& problems) {
    if (c.evaluation.path.isEmpty()) return nullptr;
    auto e = loadEvaluation(c.evaluation.path.toStdString());
    if (!e) {
        problems << tr("measurement of %1: %2")
                        .arg(QLatin1Char(c.letter))
                        .arg(QString::fromStdString(e.error().describe()));
        return nullptr;
    }
    if (e->weightsFingerprint == weights && e->textFingerprint == c.evaluation.fingerprint.toStdString())
        return std::make_shared<const Evaluation>(std::move(e).value());
    problems << tr("measurement of %1: %2 is of other weights or of another text")
                    .arg(QLatin1Char(c.letter))
                    .arg(QDir::toNativeSeparators(c.evaluation.path));
    return nullptr;
}

} // namespace

fs::path evaluationsFolder(const QString& cacheFolder) {
    return fs::path(cacheFolder.toStdString()) / "evaluations";
}

fs::path judgeListFile(const QString& cacheFolder) {
    return fs::path(cacheFolder.toStdString()) / "judge.json";
}

Result<LoadedRun> loadRun(const std::string& directory, const std::shared_ptr<const Model>& model,
                          const QString& cacheFolder) {
    QS_TRY(LoadedRun out, openRun(directory, model));
    out.evaluation =
        newest(evaluationsFolder(cacheFolder), out.weightsFingerprint, modelWeights(*model)->fingerprint());
    return out;
}

LoadedRuns loadJudgeList(const std::shared_ptr<const Model>& model, const QString& cacheFolder) {
    LoadedRuns out;
    out.modelFingerprint = modelWeights(*model)->fingerprint();
    out.original = newest(evaluationsFolder(cacheFolder), out.modelFingerprint, {});
    const auto text = readTextFile(judgeListFile(cacheFolder), kMaxList);
    const json list = text ? json::parse(*text, nullptr, false) : json();
    if (!list.is_object()) return out;
    for (const json& r : list.value("runs", json::array())) {
        const char letter = r.is_object() ? letterIn(r, "letter") : char(0);
        if (letter < 'B' || !r.contains("directory") || !r["directory"].is_string() ||
            out.runs.size() >= kMostRuns)
            continue;
        const fs::path directory =
            (fs::path(cacheFolder.toStdString()) / r["directory"].get<std::string>()).lexically_normal();
        if (auto loaded = loadRun(directory, model, cacheFolder)) // else removed meanwhile
            out.runs.emplace_back(letter, std::move(*loaded));
    }
    if (const char against = letterIn(list, "against")) out.against = against;
    return out;
}

LoadedRuns loadCompared(const std::vector<SessionState::Compared>& compared, char against,
                        const std::shared_ptr<const Model>& model) {
    LoadedRuns out;
    out.against = against;
    out.modelFingerprint = modelWeights(*model)->fingerprint();
    for (const SessionState::Compared& c : compared) {
        if (c.letter == 'A') {
            out.original = measurementOf(c, out.modelFingerprint, out.problems);
            continue;
        }
        auto loaded = openRun(c.run.path.toStdString(), model);
        if (!loaded) {
            out.problems << tr("run %1: %2")
                                .arg(QLatin1Char(c.letter))
                                .arg(QString::fromStdString(loaded.error().describe()));
            continue;
        }
        if (const auto& now = loaded->run->manifest().planFingerprint; now != c.run.fingerprint.toStdString())
            out.problems << tr("run %1: %2 holds another recipe than when the session was saved")
                                .arg(QLatin1Char(c.letter))
                                .arg(QDir::toNativeSeparators(c.run.path));
        loaded->evaluation = measurementOf(c, loaded->weightsFingerprint, out.problems);
        out.runs.emplace_back(c.letter, std::move(*loaded));
    }
    return out;
}

std::vector<SessionState::Compared> comparedParts(const std::vector<MeasuredRun>& runs,
                                                  const QString& cacheFolder) {
    std::vector<SessionState::Compared> out;
    for (const MeasuredRun& r : runs) {
        SessionState::Compared c;
        c.letter = r.letter;
        std::error_code ec;
        if (r.run)
            c.run = {QString::fromStdString(fs::absolute(r.run->directory(), ec).generic_string()),
                     QString::fromStdString(r.run->manifest().planFingerprint)};
        if (const Evaluation* e = r.evaluation.get()) {
            const fs::path file =
                evaluationFile(evaluationsFolder(cacheFolder), e->weightsFingerprint, e->referenceFingerprint,
                               *e->text, e->maskSeed, e->precision);
            if (fs::exists(file, ec)) // that of the original may follow from a run's
                c.evaluation = {QString::fromStdString(fs::absolute(file, ec).generic_string()),
                                QString::fromStdString(e->textFingerprint)};
        }
        if (r.run || !c.evaluation.path.isEmpty()) out.push_back(std::move(c));
    }
    return out;
}

} // namespace qs::app
