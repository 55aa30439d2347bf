// SPDX-License-Identifier: GPL-3.0-or-later
// Session: the opened model and everything made from it, and the operations as jobs. Results are snapshots
// that replace each other; a result for a model that was closed meanwhile is dropped. GUI thread only.
#pragma once

#include "app/jobs/JobLane.h"
#include "app/session/Requests.h"
#include "app/session/SchemeTable.h"
#include "app/session/StatsCache.h"
#include "widgets/models/SharedFilter.h"
#include "widgets/models/TargetSelection.h"
#include "widgets/models/TreePaths.h"

#include <QObject>
#include <memory>

namespace qs {
struct RecipeFormatDescriptor;
}

namespace qs::app {

class LintWatch;
class ScanQueue;
struct OpenedModel;

struct SessionOptions {
    QString cacheDirectory; ///< "": QStandardPaths::CacheLocation
    BackendFactory backend; ///< empty: makeBackend("auto")
};

class Session : public QObject {
    Q_OBJECT
public:
    explicit Session(SessionOptions options = {}, QObject* parent = nullptr);
    ~Session() override;

    EngineThread* engine() { return &m_engine; }
    LightPool* pool() { return &m_pool; }
    SchemeTable* table() { return &m_table; }
    const SchemeTable* table() const { return &m_table; }
    QUndoStack* undoStack() { return m_table.undoStack(); }
    ui::TargetSelection* selection() { return &m_selection; }
    const ui::TargetSelection* selection() const { return &m_selection; }
    ui::SharedFilter* filter() { return &m_filter; }
    const ui::SharedFilter* filter() const { return &m_filter; }
    /// 1 for every target that the filter lets through; empty without a filter.
    std::vector<char> filtered() const;

    // --- Model ---
    /// Opens beside whatever runs. The present model, and its jobs, stay until the new one is there. A run
    /// folder opens the run and its model. Models up to 4 GiB are scanned at once, larger ones when asked
    /// (scanWeights).
    JobHandle* openModel(const QString& path);
    void closeModel();
    std::shared_ptr<const Model> model() const { return m_model; }
    const QString& modelPath() const { return m_modelPath; }
    QString title() const; ///< folder or file name, "" without a model
    const QString& fingerprint() const { return m_fingerprint; }
    /// Folder for calibrations and runs of this model.
    QString cacheFolder() const;
    /// Of the model's tensors; null without a model.
    std::shared_ptr<const ui::TreePaths> treePaths() const { return m_treePaths; }

    // --- Inspect ---
    /// Statistics of every tensor, one by one, visible ones first. What is measured already is not read
    /// again.
    JobHandle* scanWeights();
    /// Asked for next by the scan.
    void setVisibleTargets(const QVector<int>& targets);
    /// Null while not measured, or when it had to make room (ask then with requestStats).
    std::shared_ptr<const TensorStats> stats(int target) { return m_stats.find(target); }
    /// Answers with statsReady(target), at once when they are at hand.
    void requestStats(int target);
    int scannedCount() const { return m_scanned; }
    /// Channel statistics of the target's inputs; null without calibration.
    const SiteRecord* activations(int target) const;
    /// Answers with comparisonReady. Latest wins.
    void requestComparison(int target);
    /// Of the last comparisonReady; null when it could not be made, comparisonNote() then says why.
    std::shared_ptr<const WeightComparison> comparison() const { return m_comparison; }
    const QString& comparisonNote() const { return m_comparisonNote; }

    // --- Calibrate ---
    /// Why it cannot be done now, "" when it can.
    QString calibrateBlocker() const;
    JobHandle* calibrate(const CalibrateRequest& request);
    JobHandle* openCalibration(const QString& file);
    /// Statistics and Sigma from activations that another program recorded, as a calibration in the cache.
    JobHandle* useActivations(const QString& file);
    /// A calibration, recorded activations, or a model: whatever the HDF5 file is.
    JobHandle* openHdf5(const QString& file);
    std::shared_ptr<const Calibration> calibration() const { return m_calibration; }

    // --- Run ---
    QString runBlocker() const;
    /// Executes the present plan; resumes when the folder holds the same. "": in the cache, by plan and
    /// calibration.
    JobHandle* startRun(const QString& directory = {});
    JobHandle* openRun(const QString& directory);
    /// Null before the first one; incomplete after a cancelled one.
    std::shared_ptr<const Run> run() const { return m_run; }
    /// What run() executes; null without one.
    std::shared_ptr<const Plan> runPlan() const { return m_run ? m_runPlan : nullptr; }
    bool running() const { return m_runJob && !m_runJob->isEnded(); }
    int unitsDone() const { return m_unitsDone; }

    // --- Evaluate, export ---
    QString evaluateBlocker() const;
    JobHandle* evaluate(const EvaluateRequest& request);
    std::shared_ptr<const EvaluationPair> evaluation() const { return m_evaluation; }
    /// True when the evaluation's run is not the present one or the recipe changed since.
    bool evaluationIsStale() const;
    QString exportBlocker() const;
    /// What the target cannot hold, for the present run (or the plan when there is none), as of the last
    /// issuesChanged. Empty for an unknown exporter.
    std::vector<LintIssue> exportIssues(const QString& exporter) const;
    /// What runtimes make of the same; as of the last issuesChanged.
    const LintWatch* lint() const { return m_lint; }
    JobHandle* exportRun(const ExportOptions& options);
    std::shared_ptr<const Receipt> receipt() const { return m_receipt; }

    // --- Recipe ---
    /// One undo step. Returns "" or why not; a recipe of another tool is read on the light pool, what is
    /// wrong with it is the job's error.
    QString loadRecipe(const QString& file);
    /// The formats of a model that is quantized already; one undo step.
    JobHandle* cloneRecipe(const QString& path);
    /// The present schemes in the words of another tool.
    JobHandle* saveRecipeAs(const RecipeFormatDescriptor& format, const QString& file);

signals:
    /// A recipe of another tool, or that of a quantized model, has been applied.
    void recipeTaken(const QString& what);
    void modelChanged();
    void statsReady(int target);
    void scanProgress(int done, int total);
    void comparisonReady(int target);
    void calibrationChanged();
    void runChanged();
    void unitFinished(int unit);
    void evaluationChanged();
    void receiptChanged();
    void issuesChanged(); ///< of the exporters
    /// A job of this session failed (not: was cancelled).
    void failed(const QString& title, const QString& message);

private:
    static constexpr int kOpen = 20; ///< before peeks
    static constexpr int kFree = -20;
    JobHandle* report(JobHandle* job);
    JobHandle* takeRecipe(JobHandle* job, const QString& undoText);
    void adoptModel(const OpenedModel& opened, const QString& path);
    /// Frees what belongs to a closed model off the window's thread.
    void freeAside(std::unique_ptr<TableStart> before, std::shared_ptr<const ui::TreePaths> paths);
    void adoptScan(int target, const WeightScan& scan);
    void adoptStats(int target, std::shared_ptr<const TensorStats> stats);
    void adoptCalibration(std::shared_ptr<const Calibration> calibration);
    void adoptRun(std::shared_ptr<const Run> run, const Plan& plan);
    void openRunSnapshot(const QString& directory);
    bool isCurrent(const std::shared_ptr<const Model>& model) const { return m_model == model; }
    QString runFolder() const;

    SessionOptions m_options;
    std::shared_ptr<const Model> m_model;
    QString m_modelPath, m_fingerprint;
    std::shared_ptr<const ui::TreePaths> m_treePaths;
    SchemeTable m_table;
    ui::TargetSelection m_selection;
    ui::SharedFilter m_filter;
    StatsCache m_stats;
    std::shared_ptr<ScanQueue> m_scan;
    int m_scanned = 0;
    std::shared_ptr<const WeightComparison> m_comparison;
    QString m_comparisonNote;
    std::shared_ptr<const Calibration> m_calibration;
    std::shared_ptr<const Run> m_run;
    QPointer<JobHandle> m_runJob;
    int m_unitsDone = 0;
    std::shared_ptr<const Plan> m_runPlan; ///< of the last run started or opened
    std::shared_ptr<const EvaluationPair> m_evaluation;
    std::shared_ptr<const Receipt> m_receipt;
    LintWatch* m_lint;
    // Last: joined before anything they could report to goes away.
    EngineThread m_engine;
    LightPool m_pool;
};

} // namespace qs::app
