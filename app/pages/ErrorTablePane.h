// SPDX-License-Identifier: GPL-3.0-or-later
// Errors by tensor: what the chosen run lost in each, beside the reference. Double-click shows the tensor.
#pragma once

#include "app/session/JudgeSet.h"

#include <QWidget>

class QLabel;
class QStandardItemModel;
class QTableView;

namespace qs::app {

class ErrorTablePane : public QWidget {
    Q_OBJECT
public:
    static constexpr int kShown = 200;

    explicit ErrorTablePane(JudgeSet* set, QWidget* parent = nullptr);
    void setPair(char subject, char reference);
    QTableView* view() const { return m_view; }

signals:
    void targetActivated(int target);

private:
    void refresh();

    JudgeSet* m_set;
    char m_subject = 'A', m_reference = 'A';
    QLabel* m_title;
    QStandardItemModel* m_model;
    QTableView* m_view;
};

} // namespace qs::app
