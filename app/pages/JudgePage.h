// SPDX-License-Identifier: GPL-3.0-or-later
// The Judge workspace: the original against the run, where the losses moved, which tensors lost most.
#pragma once

#include "app/pages/EvaluationModel.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QStandardItemModel;
class QTableView;

namespace qs::ui {
class Chip;
class EmptyState;
class HistogramWidget;
} // namespace qs::ui

namespace qs::app {

class JudgePage : public QWidget {
    Q_OBJECT
public:
    explicit JudgePage(Session* session, QWidget* parent = nullptr);
    EvaluationModel* model() { return &m_model; }
    QPushButton* evaluateButton() const { return m_evaluate; }

signals:
    void evaluateRequested();
    void targetActivated(int target);

private:
    QWidget* makeRuns();
    QWidget* makeWorst();
    void refresh();
    void refreshChange();
    void refreshWorst();

    Session* m_session;
    EvaluationModel m_model;
    QTableView* m_runs;
    QPushButton* m_evaluate;
    ui::Chip* m_protocol;
    ui::HistogramWidget* m_change;
    QStandardItemModel* m_worstModel;
    QTableView* m_worst;
};

} // namespace qs::app
