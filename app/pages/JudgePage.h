// SPDX-License-Identifier: GPL-3.0-or-later
// The Judge workspace: the original and up to three runs side by side: what they cost, which is better and
// how sure that is, what the texts say, which tokens and tensors lost most. The row chosen in the table is
// held against the reference.
#pragma once

#include "app/pages/EvaluationModel.h"

#include <QWidget>

class QComboBox;
class QPushButton;
class QTableView;

namespace qs::ui {
class Chip;
class HistogramWidget;
class SegmentedButtons;
} // namespace qs::ui

namespace qs::app {

class DifferenceMapPane;
class ErrorTablePane;
class ScalingPane;
class TextPane;
class WorstTokensPane;

class JudgePage : public QWidget {
    Q_OBJECT
public:
    explicit JudgePage(Session* session, QWidget* parent = nullptr);
    JudgeSet* runs() { return &m_set; }
    EvaluationModel* model() { return &m_model; }
    QPushButton* evaluateButton() const { return m_evaluate; }
    TextPane* text() const { return m_text; }
    WorstTokensPane* worstTokens() const { return m_worstTokens; }
    DifferenceMapPane* differenceMap() const { return m_map; }
    ScalingPane* scaling() const { return m_scaling; }
    /// Below the runs: what they say and where they differ, or how good they are for their size.
    void showScaling(bool on = true);
    ui::Chip* protocol() const { return m_protocol; }
    /// The run that is looked at: the current row.
    char subject() const;
    void setSubject(char letter);
    /// Why there is nothing to report, "" when there is.
    QString reportBlocker() const;
    /// Writes the report as a job; its pictures are those of this page.
    JobHandle* writeReport(const QString& file);

signals:
    void evaluateRequested();
    void addRunRequested();
    void targetActivated(int target);

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    QWidget* makeRuns();
    QWidget* makeToolRow();
    QWidget* makeLossChange();
    void refresh();
    void fillReferences();
    void fitRuns();
    void showSubject();
    void showProtocol();

    Session* m_session;
    JudgeSet m_set;
    EvaluationModel m_model;
    QTableView* m_runs;
    QComboBox* m_against;
    QPushButton* m_add;
    QPushButton* m_remove;
    QPushButton* m_evaluate;
    ui::Chip* m_protocol;
    ui::SegmentedButtons* m_views;
    TextPane* m_text;
    WorstTokensPane* m_worstTokens;
    ui::HistogramWidget* m_change;
    DifferenceMapPane* m_map;
    ErrorTablePane* m_errors;
    ScalingPane* m_scaling;
};

} // namespace qs::app
