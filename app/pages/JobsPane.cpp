// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/JobsPane.h"

#include "widgets/theme/Theme.h"
#include "widgets/views/Delegates.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSplitter>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::app {

JobsPane::JobsPane(Session* session, QWidget* parent)
    : QWidget(parent), m_session(session), m_view(new QTableView), m_details(new QPlainTextEdit) {
    setObjectName(QStringLiteral("jobsPane"));
    m_model.addLane(session->engine());
    m_model.addLane(session->pool());
    m_view->setObjectName(QStringLiteral("jobTable"));
    m_view->setAccessibleName(tr("Jobs"));
    ui::setupTable(m_view);
    m_view->setModel(&m_model);
    m_view->setSelectionMode(QAbstractItemView::SingleSelection);
    m_view->setItemDelegateForColumn(
        JobsModel::ProgressColumn,
        new ui::ProgressDelegate(JobsModel::FractionRole, JobsModel::PaintStateRole, m_view));
    m_view->setColumnWidth(JobsModel::Title, 260);
    m_view->setColumnWidth(JobsModel::State, 80);
    m_view->setColumnWidth(JobsModel::ProgressColumn, 190);
    m_view->setColumnWidth(JobsModel::TimeLeft, 80);
    m_details->setObjectName(QStringLiteral("jobDetails"));
    m_details->setAccessibleName(tr("Details of the job"));
    m_details->setReadOnly(true);
    m_details->setFrameShape(QFrame::NoFrame);
    m_details->setFont(ui::monoFont());
    m_details->setLineWrapMode(QPlainTextEdit::WidgetWidth);
    m_details->setPlaceholderText(tr("Select a job to see its details."));
    auto* split = new QSplitter;
    split->setObjectName(QStringLiteral("jobsSplit"));
    split->addWidget(m_view);
    split->addWidget(m_details);
    split->setStretchFactor(0, 3);
    split->setStretchFactor(1, 1);
    split->setSizes({800, 220});
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
    layout->addWidget(split, 1);
    connect(m_view->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            &JobsPane::refreshDetails);
    connect(&m_model, &QAbstractItemModel::dataChanged, this, &JobsPane::refreshDetails);
    connect(&m_model, &QAbstractItemModel::rowsRemoved, this, &JobsPane::refreshDetails);
    connect(&m_model, &JobsModel::activeCountChanged, this, &JobsPane::refreshDetails);
    refreshDetails();
}

QWidget* JobsPane::makeToolRow() {
    auto* row = new ui::ToolRow;
    m_cancel = new QPushButton(tr("Cancel job"));
    m_copy = new QPushButton(tr("Copy report"));
    m_clear = new QPushButton(tr("Clear ended"));
    m_cancel->setObjectName(QStringLiteral("cancelJob"));
    m_copy->setObjectName(QStringLiteral("copyReport"));
    m_clear->setObjectName(QStringLiteral("clearJobs"));
    for (QPushButton* b : {m_cancel, m_copy, m_clear})
        row->addWidget(b);
    row->addStretch();
    m_summary = row->addLabel({});
    connect(m_cancel, &QPushButton::clicked, this, [this] {
        if (JobHandle* job = currentJob()) job->cancel();
    });
    connect(m_copy, &QPushButton::clicked, this, [this] {
        if (const JobHandle* job = currentJob()) QApplication::clipboard()->setText(job->report());
    });
    connect(m_clear, &QPushButton::clicked, this, [this] {
        m_session->engine()->forgetEnded();
        m_session->pool()->forgetEnded();
    });
    return row;
}

JobHandle* JobsPane::currentJob() const {
    const QModelIndex i = m_view->currentIndex();
    if (i.isValid()) return m_model.job(i.row());
    // Nothing chosen: the newest one that still runs.
    for (int r = 0; r < m_model.rowCount(); ++r)
        if (!m_model.job(r)->isEnded()) return m_model.job(r);
    return nullptr;
}

void JobsPane::showNewestFailure() {
    for (int r = 0; r < m_model.rowCount(); ++r) {
        if (m_model.job(r)->state() != JobState::Failed) continue;
        m_view->selectRow(r);
        return;
    }
}

void JobsPane::refreshDetails() {
    const JobHandle* job = currentJob();
    const QString report = job && m_view->currentIndex().isValid() ? job->report() : QString();
    if (report != m_details->toPlainText()) m_details->setPlainText(report);
    const bool cancellable = job && (job->state() == JobState::Queued || job->state() == JobState::Running);
    m_cancel->setEnabled(cancellable);
    m_cancel->setToolTip(cancellable ? tr("Stops at the next check; what is finished is kept.")
                                     : tr("No job is running."));
    m_copy->setEnabled(job);
    m_clear->setEnabled(m_model.rowCount() > m_model.activeCount());
    const int active = m_model.activeCount();
    m_summary->setText(active > 0 ? tr("%1 running or waiting").arg(active) : QString());
}

} // namespace qs::app
