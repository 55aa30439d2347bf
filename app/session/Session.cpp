// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/Session.h"

#include "app/session/SampleData.h"
#include "app/session/ScanQueue.h"

#include <QDir>
#include <QFileInfo>
#include <QStandardPaths>

namespace qs::app {

namespace {

/// Above this a whole scan is asked for, not started by opening: it reads every byte.
constexpr quint64 kScanOnOpenBytes = quint64(4) << 30;

struct Opened {
    std::shared_ptr<const Model> model;
    std::string fingerprint;
};

BackendFactory orDefault(BackendFactory factory) {
    return factory ? std::move(factory) : BackendFactory([] { return makeBackend("auto"); });
}

} // namespace

Session::Session(SessionOptions options, QObject* parent)
    : QObject(parent), m_options(std::move(options)), m_engine(orDefault(m_options.backend)) {
    qRegisterMetaType<qs::ui::TargetTableSource::Change>();
}

Session::~Session() = default;

JobHandle* Session::report(JobHandle* job) {
    return job->then(this, [this, title = job->title()](const Outcome& outcome) {
        if (outcome.failed()) emit failed(title, QString::fromStdString(outcome.error().describe()));
    });
}

QString Session::title() const {
    if (m_model && QFileInfo(m_modelPath) == QFileInfo(sampleModelPath())) return tr("Sample model");
    return m_model ? QString::fromStdString(m_model->checkpoint().displayName()) : QString();
}

JobHandle* Session::openModel(const QString& path) {
    const std::string native = QDir::cleanPath(path).toStdString();
    if (isRunFolder(native)) return openRun(path);
    const auto body = [native](const JobScope& scope) -> Outcome {
        scope.job().report("Reading headers", 0, 1);
        auto model = qs::openModel(native);
        if (!model) return model.takeError();
        auto fingerprint = (*model)->checkpoint().fingerprint();
        if (!fingerprint) return fingerprint.takeError();
        return Payload::of(Opened{std::move(*model), std::move(*fingerprint)});
    };
    JobHandle* job = m_pool.post(
        {QStringLiteral("open"), tr("Open %1").arg(QFileInfo(path).fileName()), true, kOpen}, body);
    job->then(this, [this, path](const Outcome& outcome) {
        if (const auto opened = outcome.as<Opened>())
            adoptModel(opened->model, path, QString::fromStdString(opened->fingerprint));
    });
    return report(job);
}

void Session::closeModel() {
    if (m_model) adoptModel(nullptr, {}, {});
}

void Session::adoptModel(std::shared_ptr<const Model> model, const QString& path,
                         const QString& fingerprint) {
    // Whatever still runs is about the old model.
    m_engine.stopAll();
    m_pool.stopAll();
    m_selection.clear();
    m_scan.reset();
    m_stats.clear();
    m_scanned = 0;
    m_comparison.reset();
    m_comparisonNote.clear();
    m_calibration.reset();
    m_run.reset();
    m_runJob.clear();
    m_unitsDone = 0;
    m_runPlan.reset();
    m_evaluation.reset();
    m_receipt.reset();
    m_model = std::move(model);
    m_modelPath = path;
    m_fingerprint = fingerprint;
    m_table.setModel(m_model);
    emit modelChanged();
    emit calibrationChanged();
    emit runChanged();
    emit evaluationChanged();
    emit receiptChanged();
    if (m_model && m_model->checkpoint().totalBytes() <= kScanOnOpenBytes) scanWeights();
}

QString Session::cacheFolder() const {
    QString root = m_options.cacheDirectory;
    if (root.isEmpty()) root = QStandardPaths::writableLocation(QStandardPaths::CacheLocation);
    return QDir::cleanPath(root + QStringLiteral("/models/") + m_fingerprint.left(16));
}

QString Session::saveRecipe(const QString& file) {
    const auto saved =
        m_table.recipe(QFileInfo(file).completeBaseName().toStdString()).save(file.toStdString());
    if (!saved) return QString::fromStdString(saved.error().describe());
    m_table.undoStack()->setClean();
    return {};
}

QString Session::loadRecipe(const QString& file) {
    if (!m_model) return tr("Open a model first: a recipe is resolved against one.");
    const auto recipe = Recipe::load(file.toStdString());
    if (!recipe) return QString::fromStdString(recipe.error().describe());
    m_table.applyRecipe(*recipe, tr("Load recipe %1").arg(QFileInfo(file).fileName()));
    return {};
}

} // namespace qs::app
