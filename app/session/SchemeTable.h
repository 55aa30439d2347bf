// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeTable: the document. One scheme per quantizable tensor of the opened model, the plan that follows
// from them, what was measured, and the undo stack through which every edit goes. No jobs, no files. GUI
// thread only.
#pragma once

#include "app/session/TableStart.h"
#include "core/metrics/channel_stats.h"
#include "core/metrics/weight_scan.h"
#include "core/run/run.h"
#include "widgets/models/TargetTableSource.h"

#include <QUndoStack>
#include <memory>
#include <vector>

namespace qs::app {

/// One linear's KL alone (see core/evaluate/changed_linears.h), and what it was measured for.
struct MeasuredKl {
    enum class As {
        Run,     ///< as a run wrote it, the run's transforms included
        Method,  ///< as its scheme's method chose, without transforms
        Nearest, ///< rounded to nearest: the method could not run. A run's own result is worth more
    };
    int target = -1;
    double kl = 0; ///< nats per token
    SchemeBook::SchemePtr scheme;
    As as = As::Method;
    std::vector<TransformUse> transforms; ///< of the run
    std::string calibration;              ///< fingerprint of what the method was given, "" when nothing
    std::string text;                     ///< SHA-256 of the tokens
};

class SchemeTable : public ui::TargetTableSource {
    Q_OBJECT
public:
    using SchemePtr = SchemeBook::SchemePtr;

    explicit SchemeTable(QObject* parent = nullptr);

    /// Starts over: the default scheme wherever it fits, empty undo stack. Null closes. Returns what it held
    /// of the model before, nothing of which is used any more: freeing 100k rows takes a while.
    std::unique_ptr<TableStart> setModel(std::unique_ptr<TableStart> start);
    void setModel(const std::shared_ptr<const Model>& model) {
        setModel(model ? TableStart::of(model) : nullptr);
    }
    const Model* model() const { return m_model.get(); }

    // ui::TargetTableSource
    int count() const override { return int(m_rows.size()); }
    const ui::TargetRow& row(int target) const override { return m_rows[size_t(target)]; }
    QString edit(const QVector<int>& targets, const ui::SchemeEdit& edit, int dragId = 0) override;
    bool editable(int target, ui::EditField field) const override;
    QVector<ui::EditChoice> choices(int target, ui::EditField field) const override;
    ui::SchemeEdit editFor(ui::EditField field, const QVariant& value) const override;
    std::shared_ptr<const ui::TargetNames> names() const override {
        return m_names ? m_names : TargetTableSource::names();
    }

    const std::vector<SchemePtr>& schemes() const { return m_live.schemes(); }
    /// Current at any moment; plan() and issues() are put together when asked, over every target.
    const PlanSummary& summary() const { return m_live.summary(); }
    std::vector<LintIssue> issues() const;
    /// Those of the recipe's transforms alone.
    std::vector<LintIssue> transformIssues() const;
    /// Of the KV cache and the weights of tokens.
    std::vector<LintIssue> settingsIssues() const;
    const Plan& plan() const;
    QUndoStack* undoStack() { return &m_undo; }
    const PlanSettings& settings() const { return m_settings; }
    quint64 seed() const { return m_settings.seed; }
    /// -1 when there is none.
    int indexOf(const QString& module) const { return m_indexOf.value(module, -1); }
    /// What a kept tensor starts from when it is edited.
    const Scheme& defaultScheme() const { return m_default; }

    /// Ordered rules that give exactly the present schemes: exceptions by name, then by module over all
    /// blocks, then `*`.
    Recipe recipe(const std::string& name = {}) const;
    /// One undo step; nothing when they are the present ones.
    void setModelSettings(const ModelSettings& settings, const QString& undoText);
    /// One undo step. Rules that match nothing and schemes that do not fit show up as problems of the plan.
    void applyRecipe(const Recipe& recipe, const QString& undoText);
    /// One scheme per target, as one undo step. `notes` are problems until the next edit.
    void applySchemes(const std::vector<std::optional<Scheme>>& schemes,
                      const std::vector<std::string>& notes, const QString& undoText);
    /// Those that share() gave, or the table's own.
    void applySchemes(const std::vector<SchemePtr>& schemes, const QString& undoText);
    SchemePtr share(const Scheme& scheme) { return m_book.share(scheme); }
    /// The schemes of a plan for the same model, as one undo step.
    void applyPlan(const Plan& plan, const QString& undoText);

    // What was measured; none of it is undone.
    void setScan(int target, const WeightScan& scan);
    void setStats(int target, const TensorStats& stats);
    void setCalibration(const Calibration* calibration);
    /// Shares are of the sum over all that are measured by then.
    void setKl(const std::vector<MeasuredKl>& measured);
    const QHash<int, MeasuredKl>& measuredKl() const { return m_kl; } ///< by target
    /// The schemes and settings that a run (starting or opened) executes; results belong to them. Clears
    /// earlier results.
    void beginRun(const std::vector<SchemePtr>& schemes, const ModelSettings& settings, bool running);
    void setResults(const std::vector<TensorResult>& results);
    /// What is not done is no longer queued.
    void endRun();
    void clearRun();
    bool hasRun() const { return m_hasRun; }
    /// True when some scheme, or a setting of the whole model, differs from the run's.
    bool runIsStale() const;
    /// The schemes of a plan, as this table shares them.
    std::vector<SchemePtr> schemesOf(const Plan& plan);

signals:
    void planChanged();

private:
    friend class SetSchemesCommand;
    QString editText(int first, size_t count, const ui::SchemeEdit& edit) const;
    void push(const QString& text, const std::vector<SchemePtr>& schemes, const PlanSettings& settings);
    void assign(const std::vector<int>& targets, const std::vector<SchemePtr>& schemes,
                const PlanSettings& settings);
    std::vector<std::shared_ptr<const void>> takeHistory();
    bool isOfRun(size_t target) const;
    void setWeights(int target, double absmax, double stddev, double kurtosis, double outlierRatio);
    void refreshRow(int target);
    void refreshKl(int target);
    void notifyMeasured(const QVector<int>& targets);

    std::shared_ptr<const Model> m_model;
    SchemeBook m_book;
    LivePlan m_live;
    std::vector<ui::TargetRow> m_rows;
    QHash<QString, int> m_indexOf;
    std::shared_ptr<const ui::TargetNames> m_names;
    std::vector<SchemePtr> m_baseline; ///< what "edited" is measured against
    std::vector<SchemePtr> m_runSchemes;
    ModelSettings m_runSettings;
    QHash<int, MeasuredKl> m_kl;
    std::string m_calibration; ///< fingerprint, "" without one
    bool m_hasRun = false, m_running = false;
    Scheme m_default;
    std::vector<LintIssue> m_ruleIssues;        ///< of the recipe applied last, until the next edit
    mutable std::unique_ptr<const Plan> m_plan; ///< null: to be put together
    PlanSettings m_settings;
    QUndoStack m_undo;
};

} // namespace qs::app
