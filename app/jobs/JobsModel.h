// SPDX-License-Identifier: GPL-3.0-or-later
// The Jobs list: newest first. Failed rows are red and keep their whole error, cancelled ones are grey.
#pragma once

#include "app/jobs/JobLane.h"

#include <QAbstractTableModel>

namespace qs::app {

class JobsModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Title, State, ProgressColumn, TimeLeft, Message, ColumnCount };
    enum Roles {
        FractionRole = Qt::UserRole + 1, ///< double 0..1, -1 unknown
        StateRole,                       ///< int: JobState
        ReportRole,                      ///< QString: everything known about the job
        CancellableRole,                 ///< bool
        PaintStateRole,                  ///< int: ui::ProgressDelegate::State
    };

    explicit JobsModel(QObject* parent = nullptr);
    void addLane(JobLane* lane);
    JobHandle* job(int row) const { return m_jobs[size_t(row)]; }
    int activeCount() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

signals:
    void activeCountChanged(int active);

private:
    void add(JobHandle* job);
    void remove(const JobHandle* job);
    int rowOf(const JobHandle* job) const;
    QVariant display(const JobHandle& job, Column column) const;

    std::vector<JobHandle*> m_jobs;
};

/// "about 1 min", "12 s", "" when unknown.
QString durationText(double seconds);

} // namespace qs::app
