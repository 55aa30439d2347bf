// SPDX-License-Identifier: GPL-3.0-or-later
// Predicted against measured: what a score says of random recipes and of runs, beside what the model says,
// with the rank correlation of the two.
#pragma once

#include "app/session/PredictionState.h"
#include "widgets/charts/CostChart.h"

#include <QTimer>
#include <QWidget>

class QLabel;
class QPushButton;

namespace qs::ui {
class ToolRow;
}

namespace qs::app {

class PredictionPane : public QWidget {
    Q_OBJECT
public:
    /// Both must live as long.
    PredictionPane(Session* session, const TuneState* tune, QWidget* parent = nullptr);

    PredictionState* state() { return &m_state; }
    /// Runs that are shown beside the recipes.
    void setRuns(const JudgeSet* runs);
    ui::CostChart* chart() const { return m_chart; }
    QPushButton* measureButton() const { return m_measure; }
    QLabel* summary() const { return m_summary; }

protected:
    void showEvent(QShowEvent* event) override;

private:
    void later();
    void refresh();
    void showButton();
    void showChart(const PredictionCheck& check);
    QString summaryText(const PredictionCheck& check) const;

    const TuneState* m_tune;
    PredictionState m_state;
    ui::ToolRow* m_row;
    QLabel* m_summary;
    QPushButton* m_measure;
    ui::CostChart* m_chart;
    QTimer m_later;
    bool m_dirty = true;
};

} // namespace qs::app
