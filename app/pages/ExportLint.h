// SPDX-License-Identifier: GPL-3.0-or-later
// What a format, or a runtime that opens it, objects to in the present run or recipe, and how that is mended.
#pragma once

#include "app/pages/ExporterList.h"
#include "widgets/models/LintModel.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QStackedWidget;
class QTableView;

namespace qs::ui {
class EmptyState;
}

namespace qs::app {

class ExportLint : public QWidget {
    Q_OBJECT
public:
    /// `exporters` must outlive it.
    ExportLint(Session* session, const ExporterListModel* exporters, QWidget* parent = nullptr);
    /// The issues of one of the list's formats.
    void showFormat(int row);

private:
    void showFix();
    void takeFix();
    /// The fix of the current problem, else of the first that has one; null when none has.
    const SchemeFix* offeredFix() const;

    Session* m_session;
    const ExporterListModel* m_exporters;
    int m_row = -1; ///< of the list
    ui::LintModel m_model;
    QLabel* m_subject;
    QPushButton* m_fix;
    QStackedWidget* m_stack;
    ui::EmptyState* m_none;
    QTableView* m_table;
};

} // namespace qs::app
