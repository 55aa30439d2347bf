// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExportProgress.h"

#include "app/jobs/JobsModel.h"
#include "widgets/theme/Theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>

namespace qs::app {

ExportProgress::ExportProgress(QWidget* parent)
    : QWidget(parent), m_text(new QLabel), m_bar(new QProgressBar), m_cancel(new QPushButton(tr("Cancel"))) {
    setObjectName(QStringLiteral("exportProgress"));
    m_text->setTextFormat(Qt::PlainText);
    m_text->setWordWrap(true);
    m_bar->setTextVisible(false);
    m_bar->setFixedSize(160, 8);
    m_cancel->setObjectName(QStringLiteral("cancelExport"));
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(12, 8, 12, 8);
    layout->setSpacing(12);
    layout->addWidget(m_bar, 0, Qt::AlignVCenter);
    layout->addWidget(m_text, 1);
    layout->addWidget(m_cancel, 0, Qt::AlignTop);
    connect(m_cancel, &QPushButton::clicked, this, [this] {
        if (m_job) m_job->cancel();
    });
    refresh();
}

void ExportProgress::follow(JobHandle* job) {
    if (m_job) m_job->disconnect(this);
    m_job = job;
    if (job) {
        connect(job, &JobHandle::changed, this, &ExportProgress::refresh);
        connect(job, &JobHandle::ended, this, &ExportProgress::refresh);
    }
    refresh();
}

void ExportProgress::refresh() {
    const bool active = m_job && !m_job->isEnded();
    m_bar->setVisible(m_job);
    m_cancel->setVisible(active);
    QPalette p = m_text->palette();
    const bool failed = m_job && m_job->state() == JobState::Failed;
    p.setColor(QPalette::WindowText, failed ? ui::theme().error : ui::theme().text2);
    m_text->setPalette(p);
    if (!m_job) {
        m_text->setText(
            tr("Writes to a temporary folder, reopens it, compares every code, then gives it its name."));
        return;
    }
    m_bar->setRange(0, 1000);
    m_bar->setValue(m_job->state() == JobState::Done ? 1000 : int(std::max(0.0, m_job->fraction()) * 1000));
    QString text = jobStateText(m_job->state());
    if (!m_job->message().isEmpty()) text += QStringLiteral(" · ") + m_job->message();
    if (m_job->state() == JobState::Done) text += tr(" in %1").arg(durationText(m_job->secondsRunning()));
    m_text->setText(text);
}

} // namespace qs::app
