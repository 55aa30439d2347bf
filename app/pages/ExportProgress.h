// SPDX-License-Identifier: GPL-3.0-or-later
// Progress of the export in flight, or how the last one ended.
#pragma once

#include "app/jobs/JobHandle.h"

#include <QWidget>

class QLabel;
class QProgressBar;
class QPushButton;

namespace qs::app {

class ExportProgress : public QWidget {
    Q_OBJECT
public:
    explicit ExportProgress(QWidget* parent = nullptr);
    void follow(JobHandle* job);

private:
    void refresh();
    QPointer<JobHandle> m_job;
    QLabel* m_text;
    QProgressBar* m_bar;
    QPushButton* m_cancel;
};

} // namespace qs::app
