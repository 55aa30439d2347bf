// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeTable: the document. One scheme per quantizable tensor of the opened model, the plan that follows
// from them, what was measured, and the undo stack through which every edit goes. No jobs, no files. GUI
// thread only.
#pragma once

#include "core/metrics/channel_stats.h"
#include "core/model/model.h"
#include "core/run/run.h"
#include "widgets/models/TargetTableSource.h"

#include <QHash>
#include <QUndoStack>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace qs::app {

class SchemeTable : public ui::TargetTableSource {
    Q_OBJECT
public:
    /// Null: kept. Equal schemes are one object, so pointers compare as values.
    using SchemePtr = std::shared_ptr<const Scheme>;

    explicit SchemeTable(QObject* parent = nullptr);

    /// Starts over: the default scheme wherever it fits, empty undo stack. Null closes.
    void setModel(std::shared_ptr<const Model> model);
    const Model* model() const { return m_model.get(); }

    // ui::TargetTableSource
    int count() const override { return int(m_rows.size()); }
    const ui::TargetRow& row(int target) const override { return m_rows[size_t(target)]; }
    QString edit(const QVector<int>& targets, const ui::SchemeEdit& edit, int dragId = 0) override;
    bool editable(int target, ui::EditField field) const override;
    QVector<ui::EditChoice> choices(int target, ui::EditField field) const override;
    ui::SchemeEdit editFor(ui::EditField field, const QVariant& value) const override;

    const std::vector<SchemePtr>& schemes() const { return m_schemes; }
    const Plan& plan() const { return m_plan; }
    QUndoStack* undoStack() { return &m_undo; }
    quint64 seed() const { return m_seed; }
    /// -1 when there is none.
    int indexOf(const QString& module) const { return m_indexOf.value(module, -1); }
    /// What a kept tensor starts from when it is edited.
    const Scheme& defaultScheme() const { return m_default; }

    /// Ordered rules that give exactly the present schemes: exceptions by name, then by module over all
    /// blocks, then `*`.
    Recipe recipe(const std::string& name = {}) const;
    /// One undo step. Rules that match nothing and schemes that do not fit show up as problems of the plan.
    void applyRecipe(const Recipe& recipe, const QString& undoText);
    /// The schemes of a plan for the same model, as one undo step.
    void applyPlan(const Plan& plan, const QString& undoText);

    // What was measured; none of it is undone.
    void setStats(int target, const TensorStats& stats);
    void setCalibration(const Calibration* calibration);
    /// The schemes that a run (starting or opened) executes; results belong to them. Clears earlier results.
    void beginRun(const std::vector<SchemePtr>& schemes, bool running);
    void setResults(const std::vector<TensorResult>& results);
    /// What is not done is no longer queued.
    void endRun();
    void clearRun();
    bool hasRun() const { return m_hasRun; }
    /// True when some scheme differs from the run's.
    bool runIsStale() const;
    /// The schemes of a plan, as this table shares them.
    std::vector<SchemePtr> schemesOf(const Plan& plan);

signals:
    void planChanged();

private:
    friend class SetSchemesCommand;
    /// What the rows say about a scheme; made once per distinct scheme.
    struct SchemeInfo {
        QString format, method;
        int bits = 0;
        bool hasGroup = false;
        qint64 group = 0;
    };
    SchemePtr share(const Scheme& scheme);
    const SchemeInfo& infoOf(const SchemePtr& scheme);
    ui::TargetRow identityRow(const QuantTarget& target) const;
    void chooseDefault();
    SchemePtr fittingDefault(const QuantTarget& target);
    QString editText(const QVector<int>& targets, const ui::SchemeEdit& edit) const;
    void push(const QString& text, const std::vector<SchemePtr>& schemes, quint64 seed);
    void assign(const std::vector<int>& targets, const std::vector<SchemePtr>& schemes, quint64 seed);
    void replan();
    void refreshRow(int target);
    void notifyMeasured(const QVector<int>& targets);

    std::shared_ptr<const Model> m_model;
    std::vector<ui::TargetRow> m_rows;
    QHash<QString, int> m_indexOf;
    std::vector<SchemePtr> m_schemes;
    std::vector<SchemePtr> m_baseline; ///< what "edited" is measured against
    std::vector<SchemePtr> m_runSchemes;
    bool m_hasRun = false, m_running = false;
    Scheme m_default;
    Plan m_plan;
    std::vector<std::pair<QString, bool>> m_issueOf; ///< per target: text, is an error
    quint64 m_seed = 0;
    QUndoStack m_undo;
    std::map<std::string, SchemePtr> m_shared;
    std::unordered_map<const Scheme*, SchemeInfo> m_info;
};

} // namespace qs::app
