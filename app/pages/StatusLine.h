// SPDX-License-Identifier: GPL-3.0-or-later
// The status bar: model, recipe size, device, scan, what is going on; at the right what Undo would take back.
#pragma once

#include "app/session/Session.h"

#include <QStatusBar>
#include <QTimer>

class QLabel;
class QProgressBar;

namespace qs::app {

class StatusLine : public QStatusBar {
    Q_OBJECT
public:
    explicit StatusLine(Session* session, QWidget* parent = nullptr);

private:
    QLabel* addPart(const char* name);
    void refresh();
    void showJob();

    Session* m_session;
    QLabel *m_model, *m_recipe, *m_device, *m_scan, *m_job, *m_undo;
    QProgressBar* m_bar;
    QTimer m_later;
};

/// "4.72 M", "1.236 B".
QString parametersText(quint64 count);

} // namespace qs::app
