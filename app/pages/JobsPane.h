// SPDX-License-Identifier: GPL-3.0-or-later
// Jobs: what runs, how far it is, what went wrong. Cancel, copy the report, clear what has ended.
#pragma once

#include "app/jobs/JobsModel.h"
#include "app/session/Session.h"

#include <QWidget>

class QLabel;
class QPlainTextEdit;
class QPushButton;
class QSplitter;
class QTableView;

namespace qs::app {

class JobsPane : public QWidget {
    Q_OBJECT
public:
    explicit JobsPane(Session* session, QWidget* parent = nullptr);
    JobsModel* model() { return &m_model; }
    QTableView* view() const { return m_view; }
    /// Shows the newest failed job's details.
    void showNewestFailure();

private:
    QWidget* makeToolRow();
    JobHandle* currentJob() const;
    void refreshDetails();

    Session* m_session;
    JobsModel m_model;
    QTableView* m_view;
    QPlainTextEdit* m_details;
    QPushButton* m_cancel;
    QPushButton* m_copy;
    QPushButton* m_clear;
    QLabel* m_summary;
};

} // namespace qs::app
