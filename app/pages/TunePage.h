// SPDX-License-Identifier: GPL-3.0-or-later
// The Tune workspace: damage against size of the whole model and of the current tensor, how well damage is
// predicted, a budget, and what a solve changed. The tensor table stands beside it as a dock.
#pragma once

#include "app/pages/PredictionPane.h"
#include "app/pages/TuneChanges.h"
#include "app/pages/TuneEdit.h"
#include "app/pages/TuneSteps.h"
#include "app/pages/TuneTensorPane.h"
#include "app/session/TuneState.h"
#include "widgets/charts/CostChart.h"

#include <QTimer>
#include <QWidget>

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QTableView;

namespace qs::ui {
class SegmentedButtons;
class StackedBar;
class ToolRow;
} // namespace qs::ui

namespace qs::app {

class TunePage : public QWidget {
    Q_OBJECT
public:
    explicit TunePage(Session* session, QWidget* parent = nullptr);

    TuneState* state() { return &m_state; }
    ui::CostChart* modelChart() const { return m_modelChart; }
    PredictionPane* prediction() const { return m_prediction; }
    /// Predicted against measured, in place of damage against size.
    void showPrediction();
    TuneTensorPane* tensor() const { return m_tensor; }
    ui::CostChart* tensorChart() const { return m_tensor->chart(); }
    ui::StackedBar* budgetBar() const { return m_bar; }
    QPushButton* measureButton() const { return m_measure; }
    QPushButton* solveButton() const { return m_solve; }
    QPushButton* lockButton() const { return m_tensor->lockButton(); }
    QDoubleSpinBox* budget() const { return m_budget; }
    ui::SegmentedButtons* targetButtons() const { return m_target; }
    QComboBox* scoreBox() const { return m_score; }
    QLabel* message() const { return m_message; }
    const TuneChanges& changes() const { return m_changes; }
    const TuneSteps& steps() const { return m_steps; }
    const TuneEdit& lastEdit() const { return m_edit; }

signals:
    void editRefused(const QString& why);

protected:
    void showEvent(QShowEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    enum List { LastEdit, LastSolve, NextSteps };
    QWidget* makeModel();
    QWidget* makeChanges();
    QWidget* makeEdit();
    QWidget* makeSolved();
    QWidget* makeSteps();
    QWidget* makeLimits();
    QWidget* makeBudget();
    void later();
    void refresh();
    void showModel(const TunePresent& present);
    void showEdit(const TunePresent& present);
    void showBudget();
    void showMeasure();
    void showSolved();
    void showTarget();
    void showSteps();
    void fillSteps();
    void allowStep();
    void takeStep();
    void solve();
    std::optional<double> budgetMib() const; ///< where the budget is a size

    Session* m_session;
    TuneState m_state;
    TuneChanges m_changes;
    TuneSteps m_steps;
    TuneEdit m_edit;
    ui::ToolRow* m_modelRow;
    QLabel *m_note, *m_solvedText, *m_message, *m_unit;
    QComboBox *m_score, *m_runtime;
    QPushButton *m_measure, *m_solve, *m_take;
    ui::CostChart* m_modelChart;
    ui::StackedBar* m_bar;
    TuneTensorPane* m_tensor;
    PredictionPane* m_prediction;
    /// m_lists: see List; m_views: damage against size, or predicted against measured.
    ui::SegmentedButtons *m_target, *m_lists, *m_views;
    QDoubleSpinBox* m_budget;
    QSpinBox* m_context; ///< tokens, beside a budget of memory
    QCheckBox *m_tie, *m_keep;
    QTableView *m_table, *m_stepTable, *m_editTable;
    QTimer m_later;
    bool m_dirty = true;
    bool m_budgetTouched = false; ///< else it follows the size of the present schemes
};

} // namespace qs::app
