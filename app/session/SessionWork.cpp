// SPDX-License-Identifier: GPL-3.0-or-later
// Session: calibrate and run. Long work on the engine thread; files are only touched there.
#include "app/session/OpenedModel.h"
#include "app/session/Session.h"
#include "core/calibrate/activation_dump.h"

#include <QDir>
#include <QFileInfo>

namespace qs::app {

namespace {

namespace fs = std::filesystem;

struct Unit {
    int unit;
    std::vector<TensorResult> results;
};

struct OpenedRun {
    std::optional<OpenedModel> model; ///< empty: it belongs to the open one
    std::shared_ptr<const Run> run;
    Plan plan;
};

/// The run's own model when it is not the one at hand.
Result<OpenedRun> loadRun(const fs::path& directory, const std::shared_ptr<const Model>& open,
                          const std::string& openFingerprint) {
    OpenedRun out;
    QS_TRY(out.run, Run::open(directory));
    const RunManifest& manifest = out.run->manifest();
    std::shared_ptr<const Model> model = open;
    if (!model || openFingerprint != manifest.modelFingerprint) {
        QS_TRY(model, qs::openModel(manifest.modelPath));
        QS_TRY(const std::string fingerprint, model->checkpoint().fingerprint());
        if (fingerprint != manifest.modelFingerprint)
            return Error::invalid("the run was made from weights with fingerprint " +
                                      manifest.modelFingerprint + ", the model there now has " + fingerprint,
                                  manifest.modelPath.string());
        QS_TRY(out.model, OpenedModel::of(model));
    }
    QS_TRY(out.plan, planOfRun(*out.run, *model));
    return out;
}

Result<std::shared_ptr<const Calibration>> calibrateOnFile(const Model& model, const fs::path& file,
                                                           const fs::path& folder, const JobScope& scope) {
    QS_TRY(auto mapped, MappedHdf5::open(file));
    QS_TRY(const auto dump, ActivationDump::open(std::move(mapped)));
    QS_TRY(const std::string fingerprint, dump->fingerprint());
    std::error_code ec;
    fs::create_directories(folder / "calibrations", ec);
    const fs::path output = folder / "calibrations" / ("activations-" + fingerprint.substr(0, 16) + ".h5");
    QS_TRY(const DumpCalibration made,
           calibrateFromActivations(*dump, model, {}, output, scope.backend(), scope.job()));
    return made.calibration;
}

} // namespace

// --- Calibrate ---

QString Session::calibrateBlocker() const {
    if (!m_model) return tr("Open a model first.");
    for (const auto& needed : {m_model->requireForward(), m_model->requireTokenizer()})
        if (!needed) return QString::fromStdString(needed.error().message);
    return {};
}

JobHandle* Session::calibrate(const CalibrateRequest& request) {
    if (!calibrateBlocker().isEmpty()) return nullptr;
    const auto body = [model = m_model, request,
                       folder = cacheFolder().toStdString()](const JobScope& scope) -> Outcome {
        scope.job().report("Tokenize", 0, 1);
        auto tokens = windowsFor(*model, request.text, false);
        if (!tokens) return tokens.takeError();
        auto fingerprint = model->checkpoint().fingerprint();
        if (!fingerprint) return fingerprint.takeError();
        fs::path file = request.output.toStdString();
        if (file.empty()) {
            const std::string made = calibrationFingerprint(
                *tokens, *fingerprint, model->tokenizer()->fingerprint(), scope.backend().precision());
            file = fs::path(folder) / "calibrations" / (made.substr(0, 16) + ".h5");
            // The same tokens through the same model give the same file.
            if (auto known = Calibration::open(file); known && (*known)->requireFor(*model))
                return Payload(std::move(*known));
        }
        std::error_code ec;
        fs::create_directories(file.parent_path(), ec);
        CalibrateOptions options;
        options.source = textName(request.text).toStdString();
        options.seed = request.seed;
        return Outcome::from(qs::calibrate(*model, *tokens, options, file, scope.backend(), scope.job()));
    };
    JobHandle* job = m_engine.post(
        {QStringLiteral("calibrate"), tr("Calibrate %1 on %2").arg(title(), textName(request.text))}, body);
    job->then(this, [this, model = m_model](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        if (const auto c = outcome.as<Calibration>()) adoptCalibration(c);
    });
    return report(job);
}

JobHandle* Session::openCalibration(const QString& file) {
    if (!m_model) return nullptr;
    const auto body = [model = m_model, file = file.toStdString()](const JobScope&) -> Outcome {
        auto opened = Calibration::open(file);
        if (!opened) return opened.takeError();
        if (auto fits = (*opened)->requireFor(*model); !fits) return fits.takeError();
        return Payload(std::move(*opened));
    };
    JobHandle* job = m_engine.post(
        {QStringLiteral("calibrate"), tr("Open calibration %1").arg(QFileInfo(file).fileName())}, body);
    job->then(this, [this, model = m_model](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        if (const auto c = outcome.as<Calibration>()) adoptCalibration(c);
    });
    return report(job);
}

JobHandle* Session::useActivations(const QString& file) {
    if (!m_model) return nullptr;
    const auto body = [model = m_model, file = fs::path(file.toStdString()),
                       folder = cacheFolder().toStdString()](const JobScope& scope) -> Outcome {
        return Outcome::from(calibrateOnFile(*model, file, folder, scope));
    };
    JobHandle* job = m_engine.post(
        {QStringLiteral("calibrate"), tr("Read the activations of %1").arg(QFileInfo(file).fileName())},
        body);
    job->then(this, [this, model = m_model](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        if (const auto c = outcome.as<Calibration>()) adoptCalibration(c);
    });
    return report(job);
}

JobHandle* Session::openHdf5(const QString& file) {
    const JobRequest request{QStringLiteral("open"), tr("Look at %1").arg(QFileInfo(file).fileName()), false,
                             kOpen};
    JobHandle* job = m_pool.post(
        request, [file = file.toStdString()](const JobScope&) { return Outcome::from(hdf5Kind(file)); });
    job->then(this, [this, file](const Outcome& outcome) {
        const auto kind = outcome.as<Hdf5Kind>();
        if (!kind) return;
        if (*kind == Hdf5Kind::Weights)
            openModel(file);
        else if (!m_model)
            emit failed(tr("Open %1").arg(QFileInfo(file).fileName()),
                        tr("Open the model first: a calibration belongs to one."));
        else if (*kind == Hdf5Kind::Calibration)
            openCalibration(file);
        else
            useActivations(file);
    });
    return report(job);
}

void Session::adoptCalibration(std::shared_ptr<const Calibration> calibration) {
    m_calibration = std::move(calibration);
    m_table.setCalibration(m_calibration.get());
    emit calibrationChanged();
}

// --- Run ---

QString Session::runBlocker() const {
    if (!m_model) return tr("Open a model first.");
    if (running()) return tr("A run is in progress.");
    const PlanSummary& plan = m_table.summary();
    const bool scales = !m_table.settings().transforms.empty();
    if (plan.hasErrors() || scales)
        for (const LintIssue& i : m_table.issues())
            if (i.severity == Severity::Error)
                return QString::fromStdString(i.where.empty() ? i.message : i.where + ": " + i.message);
    if (plan.quantized == 0) return tr("Every tensor is kept. Choose a format for at least one.");
    if ((plan.needsCalibration() || m_table.settings().needCalibration()) && !m_calibration)
        return tr("Activations are not measured yet, and the recipe needs them. Calibrate first.");
    if (m_calibration)
        for (const LintIssue& i : lintCalibration(m_table.plan(), *m_calibration))
            return QString::fromStdString(i.where + ": " + i.message);
    return {};
}

QString Session::runFolder() const {
    QString name = QString::fromStdString(m_table.plan().fingerprint()).left(12);
    if (m_calibration)
        name += QLatin1Char('-') + QString::fromStdString(m_calibration->info().fingerprint).left(8);
    return cacheFolder() + QStringLiteral("/runs/") + name;
}

JobHandle* Session::startRun(const QString& directory) {
    if (!runBlocker().isEmpty()) return nullptr;
    const QString folder = directory.isEmpty() ? runFolder() : directory;
    const auto plan = std::make_shared<const Plan>(m_table.plan());
    // Also given to data-free methods: output errors are stated against it.
    const auto body = [model = m_model, plan, calibration = m_calibration, folder,
                       earlier = m_run](const JobScope& scope) -> Outcome {
        RunOptions options;
        options.directory = folder.toStdString();
        if (earlier) options.earlier = earlier->directory();
        std::error_code ec;
        fs::create_directories(options.directory.parent_path(), ec);
        options.unitFinished = [&](int unit, const std::vector<TensorResult>& results) {
            scope.publish(Payload::of(Unit{unit, results}));
        };
        return Outcome::from(
            executePlan(*model, *plan, calibration.get(), options, scope.backend(), scope.job()));
    };
    m_run.reset();
    m_runPlan = plan;
    m_receipt.reset();
    m_unitsDone = 0;
    m_table.beginRun(m_table.schemes(), m_table.settings(), true);
    JobHandle* job = m_engine.post({QStringLiteral("run"), tr("Quantize %1").arg(title())}, body);
    m_runJob = job;
    job->onPartial(this, [this, model = m_model](const std::vector<Payload>& partials) {
        if (!isCurrent(model)) return;
        for (const Payload& p : partials)
            if (const auto u = p.as<Unit>()) {
                ++m_unitsDone;
                m_table.setResults(u->results);
                emit unitFinished(u->unit);
            }
    });
    job->then(this, [this, model = m_model, plan, folder](const Outcome& outcome) {
        if (!isCurrent(model)) return;
        if (const auto run = outcome.as<Run>()) {
            m_run = run;
            m_unitsDone = run->unitsDone();
            m_table.setResults(run->results());
        } else {
            openRunSnapshot(folder);
        }
        m_table.endRun();
        emit runChanged();
    });
    emit runChanged();
    emit receiptChanged();
    return report(job);
}

void Session::openRunSnapshot(const QString& directory) {
    // What a stopped run has finished stays in use: "Stopped after block 7. Resume continues with block 8."
    JobRequest request{QStringLiteral("snapshot"), tr("Read %1").arg(directory), false, 0};
    JobHandle* job = m_engine.post(request, [path = directory.toStdString()](const JobScope&) -> Outcome {
        if (!isRunFolder(path)) return Error::cancelled();
        return Outcome::from(Run::open(path));
    });
    job->then(this, [this, model = m_model](const Outcome& outcome) {
        if (!isCurrent(model) || running()) return;
        if (const auto run = outcome.as<Run>()) {
            m_run = run;
            m_unitsDone = run->unitsDone();
            m_table.setResults(run->results());
            emit runChanged();
        }
    });
}

JobHandle* Session::openRun(const QString& directory) {
    const auto body = [model = m_model, fingerprint = m_fingerprint.toStdString(),
                       path = directory.toStdString()](const JobScope& scope) -> Outcome {
        scope.job().report("Reading the run's journal", 0, 1);
        return Outcome::from(loadRun(path, model, fingerprint));
    };
    JobHandle* job = m_pool.post(
        {QStringLiteral("open"), tr("Open run %1").arg(QFileInfo(directory).fileName()), true, kOpen}, body);
    job->then(this, [this, model = m_model](const Outcome& outcome) {
        const auto opened = outcome.as<OpenedRun>();
        if (!opened || !isCurrent(model)) return;
        if (opened->model)
            adoptModel(*opened->model, QString::fromStdString(opened->run->manifest().modelPath.string()));
        adoptRun(opened->run, opened->plan);
    });
    return report(job);
}

void Session::adoptRun(std::shared_ptr<const Run> run, const Plan& plan) {
    m_run = std::move(run);
    m_runPlan = std::make_shared<const Plan>(plan);
    m_unitsDone = m_run->unitsDone();
    m_receipt.reset();
    m_table.applyPlan(plan,
                      tr("Open run %1").arg(QString::fromStdString(m_run->directory().filename().string())));
    m_table.beginRun(m_table.schemesOf(plan), plan, false);
    m_table.setResults(m_run->results());
    emit runChanged();
    emit receiptChanged();
}

} // namespace qs::app
