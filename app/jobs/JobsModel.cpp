// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobsModel.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Delegates.h"

#include <QLocale>
#include <algorithm>
#include <cmath>

namespace qs::app {

QString durationText(double seconds) {
    if (!(seconds >= 0) || !std::isfinite(seconds)) return {};
    if (seconds < 1) return JobsModel::tr("< 1 s");
    if (seconds < 90) return JobsModel::tr("%1 s").arg(int(std::lround(seconds)));
    if (seconds < 5400) return JobsModel::tr("%1 min").arg(int(std::lround(seconds / 60)));
    return JobsModel::tr("%1 h").arg(QLocale().toString(seconds / 3600, 'f', 1));
}

JobsModel::JobsModel(QObject* parent) : QAbstractTableModel(parent) {
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this, [this] {
        if (!m_jobs.empty()) emit dataChanged(index(0, 0), index(int(m_jobs.size()) - 1, ColumnCount - 1));
    });
}

namespace {
ui::ProgressDelegate::State paintState(JobState state) {
    using Paint = ui::ProgressDelegate;
    switch (state) {
    case JobState::Queued:
        return Paint::Waiting;
    case JobState::Running:
        return Paint::Running;
    case JobState::Cancelling:
        return Paint::Paused;
    case JobState::Done:
        return Paint::Done;
    case JobState::Failed:
        return Paint::Failed;
    case JobState::Cancelled:
        return Paint::Cancelled;
    }
    return Paint::Waiting;
}
} // namespace

void JobsModel::addLane(JobLane* lane) {
    for (JobHandle* h : lane->handles())
        add(h);
    connect(lane, &JobLane::jobPosted, this, &JobsModel::add);
    connect(lane, &JobLane::jobEnded, this, [this] { emit activeCountChanged(activeCount()); });
}

int JobsModel::activeCount() const {
    return int(std::count_if(m_jobs.begin(), m_jobs.end(), [](JobHandle* h) { return !h->isEnded(); }));
}

void JobsModel::add(JobHandle* job) {
    if (!job->listed()) return;
    beginInsertRows({}, 0, 0);
    m_jobs.insert(m_jobs.begin(), job);
    endInsertRows();
    connect(job, &JobHandle::changed, this, [this, job] {
        const int row = rowOf(job);
        if (row >= 0) emit dataChanged(index(row, 0), index(row, ColumnCount - 1));
    });
    connect(job, &JobHandle::aboutToBeDestroyed, this, [this, job] { remove(job); });
    emit activeCountChanged(activeCount());
}

void JobsModel::remove(const JobHandle* job) {
    const int row = rowOf(job);
    if (row < 0) return;
    beginRemoveRows({}, row, row);
    m_jobs.erase(m_jobs.begin() + row);
    endRemoveRows();
}

int JobsModel::rowOf(const JobHandle* job) const {
    for (size_t i = 0; i < m_jobs.size(); ++i)
        if (m_jobs[i] == job) return int(i);
    return -1;
}

int JobsModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_jobs.size());
}
int JobsModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant JobsModel::display(const JobHandle& job, Column column) const {
    switch (column) {
    case Title:
        return job.title();
    case State:
        return jobStateText(job.state());
    case ProgressColumn: {
        if (job.state() == JobState::Done) return tr("%1 in total").arg(durationText(job.secondsRunning()));
        const double f = job.fraction();
        return f < 0 || (f == 0 && job.isEnded())
                   ? QString()
                   : QLocale().toString(int(std::floor(f * 100))) + QStringLiteral(" %");
    }
    case TimeLeft:
        return durationText(job.secondsLeft());
    case Message:
        return job.message();
    case ColumnCount:
        break;
    }
    return {};
}

QVariant JobsModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= int(m_jobs.size())) return {};
    const JobHandle& job = *m_jobs[size_t(index.row())];
    const auto column = Column(index.column());
    switch (role) {
    case Qt::DisplayRole:
        return display(job, column);
    case Qt::ToolTipRole:
        return job.report();
    case Qt::TextAlignmentRole:
        return int(column == TimeLeft ? Qt::AlignRight | Qt::AlignVCenter : Qt::AlignLeft | Qt::AlignVCenter);
    case Qt::ForegroundRole:
        if (job.state() == JobState::Failed) return ui::theme().error;
        if (job.state() == JobState::Cancelled) return ui::theme().text3;
        return {};
    case Qt::DecorationRole:
        if (column != Title) return {};
        if (job.state() == JobState::Failed) return ui::icon(QStringLiteral("error"), ui::IconRole::Error);
        if (job.state() == JobState::Cancelled) return ui::icon(QStringLiteral("stop"), ui::IconRole::Muted);
        if (job.state() == JobState::Done) return ui::icon(QStringLiteral("tick"), ui::IconRole::Ok);
        if (job.state() == JobState::Queued) return ui::icon(QStringLiteral("clock"), ui::IconRole::Muted);
        return ui::icon(QStringLiteral("jobs"), ui::IconRole::Accent);
    case FractionRole:
        return job.state() == JobState::Done ? 1.0 : job.fraction();
    case StateRole:
        return int(job.state());
    case ReportRole:
        return job.report();
    case PaintStateRole:
        return int(paintState(job.state()));
    case CancellableRole:
        return job.state() == JobState::Queued || job.state() == JobState::Running;
    default:
        return {};
    }
}

QVariant JobsModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) return {};
    switch (section) {
    case Title:
        return tr("Job");
    case State:
        return tr("State");
    case ProgressColumn:
        return tr("Progress");
    case TimeLeft:
        return tr("Time left");
    case Message:
        return tr("Message");
    default:
        return {};
    }
}

} // namespace qs::app
