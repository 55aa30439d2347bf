// SPDX-License-Identifier: GPL-3.0-or-later
// What the recipe, the export formats and a runtime object to while it is edited, and what would mend it.
#pragma once

#include "app/session/Session.h"
#include "core/export/runtime_profiles.h"
#include "widgets/models/LintModel.h"

#include <QTimer>
#include <QWidget>

class QComboBox;
class QPushButton;
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
    /// Whose objections are listed; "": every format's.
    QComboBox* runtimeBox() const { return m_runtime; }
    QPushButton* fixButton() const { return m_fix; }
    int count() const { return m_model.rowCount(); }

signals:
    void countChanged(int count, bool anyError);

private:
    void refresh();
    void listFormats();
    void listRuntime(const QString& id);
    /// What mends the current problem, else the first that something mends; null when nothing does.
    const SchemeFix* offeredFix() const;
    void showFix();

    Session* m_session;
    ui::LintModel m_model;
    QStackedWidget* m_stack;
    ui::EmptyState* m_empty;
    QTableView* m_view;
    QComboBox* m_runtime;
    QPushButton* m_fix;
    QTimer m_later; ///< edits come in bursts
};

/// Changes the recipe as a fix says, as one undo step. What the fix does not speak of stays as it is now: it
/// may come from an answer about an earlier recipe, or about the run.
void applyFix(Session* session, const SchemeFix& fix);

/// Selects the tensors that an issue speaks about: a module, or a fused group.
void selectIssue(Session* session, const QString& where);

} // namespace qs::app
