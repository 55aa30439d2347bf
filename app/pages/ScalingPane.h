// SPDX-License-Identifier: GPL-3.0-or-later
// The Scaling view of Judge: KL against total bits over the runs of this model with the frontier among them,
// the loss that the published law expects, and what it would take to run with 4-bit inputs.
#pragma once

#include "app/session/ScalingState.h"
#include "widgets/charts/CostChart.h"

#include <QWidget>

class QDoubleSpinBox;
class QLabel;
class QStackedWidget;
class QStandardItemModel;
class QTableView;

namespace qs::ui {
class Chip;
class EmptyState;
} // namespace qs::ui

namespace qs::app {

class ScalingPane : public QWidget {
    Q_OBJECT
public:
    /// Sites in the table; of more, those with most to lose.
    static constexpr size_t kShown = 400;

    ScalingPane(Session* session, const JudgeSet* set, QWidget* parent = nullptr);
    ScalingState* state() { return &m_state; }
    ui::CostChart* chart() const { return m_chart; }
    QLabel* verdict() const { return m_verdict; }
    /// In billions; 0: not given.
    QDoubleSpinBox* trainingTokens() const { return m_tokens; }
    QTableView* degradation() const { return m_degradation; }
    QTableView* inputs() const { return m_inputs; }
    ui::Chip* inputsChip() const { return m_inputsChip; }

signals:
    void runChosen(char letter);

protected:
    void showEvent(QShowEvent* event) override;

private:
    QWidget* makeChart();
    QWidget* makeDegradation();
    QWidget* makeInputs();
    void updateWhenSeen();
    void refresh();
    void showChart();
    void showDegradation();
    void showInputs();

    ScalingState m_state;
    ui::CostChart* m_chart;
    QLabel* m_verdict;
    QDoubleSpinBox* m_tokens;
    QLabel* m_parameters;
    QStandardItemModel* m_degradationModel;
    QTableView* m_degradation;
    ui::Chip* m_inputsChip;
    QStandardItemModel* m_inputsModel;
    QTableView* m_inputs;
    ui::EmptyState* m_noInputs;
    QStackedWidget* m_inputsStack;
    QLabel* m_inputsNote;
};

} // namespace qs::app
