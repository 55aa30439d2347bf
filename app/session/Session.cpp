// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/Session.h"

#include "app/session/LintWatch.h"
#include "app/session/OpenedModel.h"
#include "app/session/SampleData.h"
#include "app/session/ScanQueue.h"

#include <QDir>
#include <QFileInfo>
#include <QStandardPaths>

namespace qs::app {

namespace {

/// Above this a whole scan is asked for, not started by opening: it reads every byte.
constexpr quint64 kScanOnOpenBytes = quint64(4) << 30;

BackendFactory orDefault(BackendFactory factory) {
    return factory ? std::move(factory) : BackendFactory([] { return makeBackend("auto"); });
}

} // namespace

Session::Session(SessionOptions options, QObject* parent)
    : QObject(parent)
    , m_options(std::move(options))
    , m_lint(new LintWatch(this))
    , m_engine(orDefault(m_options.backend)) {
    connect(m_lint, &LintWatch::changed, this, &Session::issuesChanged);
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
        return Outcome::from(OpenedModel::of(std::move(*model)));
    };
    JobHandle* job = m_pool.post(
        {QStringLiteral("open"), tr("Open %1").arg(QFileInfo(path).fileName()), true, kOpen}, body);
    job->then(this, [this, path](const Outcome& outcome) {
        if (const auto opened = outcome.as<OpenedModel>()) adoptModel(*opened, path);
    });
    return report(job);
}

void Session::closeModel() {
    if (m_model) adoptModel({}, {});
}

void Session::adoptModel(const OpenedModel& opened, const QString& path) {
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
    m_model = opened.model;
    m_modelPath = path;
    m_fingerprint = opened.fingerprint;
    auto paths = std::exchange(m_treePaths, opened.tree);
    auto before =
        m_table.setModel(opened.table ? std::make_unique<TableStart>(std::move(*opened.table)) : nullptr);
    emit modelChanged();
    emit calibrationChanged();
    emit runChanged();
    emit evaluationChanged();
    emit receiptChanged();
    if (m_model && m_table.summary().totalBytesBefore <= kScanOnOpenBytes) scanWeights();
    freeAside(std::move(before), std::move(paths));
}

void Session::freeAside(std::unique_ptr<TableStart> before, std::shared_ptr<const ui::TreePaths> paths) {
    if (!before->model) return;
    struct Kept {
        std::unique_ptr<TableStart> table;
        std::shared_ptr<const ui::TreePaths> paths;
    };
    const auto kept = std::make_shared<Kept>(Kept{std::move(before), std::move(paths)});
    m_pool.post({{}, tr("Free the closed model"), false, kFree}, [kept](const JobScope&) {
        *kept = {};
        return Outcome::from(Result<void>());
    });
}

std::vector<char> Session::filtered() const {
    if (m_filter.isEmpty()) return {};
    return ui::TensorFilter(m_filter.text(), m_filter.isRegex())
        .matching(m_table.names()->index, [this](size_t t) { return m_table.row(int(t)).block; });
}

QString Session::cacheFolder() const {
    QString root = m_options.cacheDirectory;
    if (root.isEmpty()) root = QStandardPaths::writableLocation(QStandardPaths::CacheLocation);
    return QDir::cleanPath(root + QStringLiteral("/models/") + m_fingerprint.left(16));
}

} // namespace qs::app
