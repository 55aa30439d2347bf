// SPDX-License-Identifier: GPL-3.0-or-later
// The held-out tokens that a run changed most, with what stands before them. A row opens its passage.
#pragma once

#include "app/session/JudgeSet.h"

#include <QWidget>

class QLabel;
class QStandardItemModel;
class QTableView;

namespace qs::app {

class WorstTokensPane : public QWidget {
    Q_OBJECT
public:
    static constexpr size_t kShown = 100;

    explicit WorstTokensPane(JudgeSet* set, QWidget* parent = nullptr);
    /// The run whose tokens are ranked.
    void setSubject(char letter);
    QTableView* view() const { return m_view; }

signals:
    /// Window and position in the held-out text.
    void tokenChosen(int window, int token);

private:
    void refresh();
    void colourFlips();

    JudgeSet* m_set;
    char m_subject = 'A';
    std::shared_ptr<const Evaluation> m_shown, m_other; ///< what the rows say already
    QLabel* m_title;
    QLabel* m_note;
    QStandardItemModel* m_model;
    QTableView* m_view;
};

} // namespace qs::app
