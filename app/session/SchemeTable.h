// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeTable: the document. One scheme per quantizable tensor of the opened model, the plan that follows
// from them, what was measured, and the undo stack through which every edit goes. No jobs, no files. GUI
// thread only.
#pragma once

#include "core/metrics/channel_stats.h"
#include "core/model/model.h"
#include "core/recipe/recipe.h"
#include "core/run/run.h"
#include "widgets/models/TargetTableSource.h"

#include <QUndoStack>
#include <memory>
#include <optional>
#include <vector>

namespace qs::app {

class SchemeTable : public ui::TargetTableSource {
    Q_OBJECT
public:
    using SchemePtr = std::shared_ptr<const Scheme>; ///< null: kept

    explicit SchemeTable(QObject* parent = nullptr);

    /// Starts over: the default scheme wherever it fits, empty undo stack. Null closes.
    void setModel(std::shared_ptr<const Model> model);
    const Model* model() const { return m_model.get(); }

    // ui::TargetTableSource
    int count() const override { return int(m_rows.size()); }
    const ui::TargetRow& row(int target) const override { return m_rows[size_t(target)]; }
    QString edit(const QVector<int>& targets, const ui::SchemeEdit& edit, int dragId = 0) override;
    QVector<ui::EditChoice> choices(int target, ui::EditField field) const override;
    ui::SchemeEdit editFor(ui::EditField field, const QVariant& value) const override;

    const std::vector<SchemePtr>& schemes() const { return m_schemes; }
    const Plan& plan() const { return m_plan; }
    QUndoStack* undoStack() { return &m_undo; }
    quint64 seed() const { return m_seed; }
    int indexOf(const QString& module) const;
    /// What a kept tensor gets when its bits are set.
    const Scheme& defaultScheme() const { return m_default; }

    /// Ordered rules that give exactly the present schemes: exceptions by name, then by role over all blocks,
    /// then `*`.
    Recipe recipe(const QString& name = {}) const;
    /// One undo step. Error when the recipe's plan has issues of rules that match nothing; others show up as
    /// problems.
    QString applyRecipe(const Recipe& recipe, const QString& undoText);

    // What was measured; none of it is undone.
    void setStats(int target, const TensorStats& stats);
    void setActivations(int target, const ChannelStats& stats);
    void clearActivations();
    /// The plan a run (starting or opened) executes; results belong to it. Clears earlier results.
    void beginRun(const std::vector<SchemePtr>& schemes, bool running);
    void setResults(const std::vector<TensorResult>& results);
    /// The run ended: what is not done is no longer queued.
    void endRun();
    bool hasResults() const { return m_hasRun; }
    /// True when some scheme differs from the run's.
    bool runIsStale() const { return m_hasRun && m_staleCount > 0; }

signals:
    void planChanged();

private:
    friend class SetSchemesCommand;
    SchemePtr apply(const SchemePtr& before, const ui::SchemeEdit& edit, QString& problem) const;
    QString editText(const QVector<int>& targets, const ui::SchemeEdit& edit) const;
    void assign(const std::vector<int>& targets, const std::vector<SchemePtr>& schemes);
    void replan();
    void refreshRow(int target);
    ui::TargetRow identityRow(const QuantTarget& target) const;
    void chooseDefaults();
    void notify(const std::vector<int>& targets, Change change);

    std::shared_ptr<const Model> m_model;
    std::vector<ui::TargetRow> m_rows;
    std::vector<SchemePtr> m_schemes;
    std::vector<SchemePtr> m_baseline; ///< what "edited" is measured against
    std::vector<SchemePtr> m_runSchemes;
    bool m_hasRun = false, m_running = false;
    int m_staleCount = 0;
    Scheme m_default;
    Plan m_plan;
    quint64 m_seed = 0;
    QUndoStack m_undo;
};

} // namespace qs::app
