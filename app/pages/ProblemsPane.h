// SPDX-License-Identifier: GPL-3.0-or-later
// What the plan and the chosen exporter object to.
#pragma once

#include "app/session/Session.h"
#include "widgets/models/LintModel.h"

#include <QTimer>
#include <QWidget>

class QStackedWidget;
class QTableView;

namespace qs::ui {
class EmptyState;
}

namespace qs::app {

class ProblemsPane : public QWidget {
    Q_OBJECT
public:
    explicit ProblemsPane(Session* session, QWidget* parent = nullptr);
    QTableView* view() const { return m_view; }
    int count() const { return m_model.rowCount(); }

signals:
    void countChanged(int count, bool anyError);

private:
    void refresh();

    Session* m_session;
    ui::LintModel m_model;
    QStackedWidget* m_stack;
    ui::EmptyState* m_empty;
    QTableView* m_view;
    QTimer m_later; ///< edits come in bursts
};

/// Selects the tensors that an issue speaks about: a module, or a fused group.
void selectIssue(Session* session, const QString& where);

} // namespace qs::app
