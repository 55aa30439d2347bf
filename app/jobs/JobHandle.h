// SPDX-License-Identifier: GPL-3.0-or-later
// JobHandle: a job as the window sees it. Made by a JobLane, lives on the GUI thread.
#pragma once

#include "app/jobs/JobRecord.h"

#include <QDateTime>
#include <QElapsedTimer>
#include <QObject>
#include <QPointer>
#include <memory>

namespace qs::app {

enum class JobState { Queued, Running, Cancelling, Done, Failed, Cancelled };
/// "Queued", "Running", ...
QString jobStateText(JobState state);
inline bool isEnded(JobState s) {
    return s == JobState::Done || s == JobState::Failed || s == JobState::Cancelled;
}

class JobHandle : public QObject {
    Q_OBJECT
public:
    using OutcomeCallback = std::function<void(const Outcome&)>;
    using PartialCallback = std::function<void(const std::vector<Payload>&)>;

    ~JobHandle() override; ///< asks the job to stop

    const QString& title() const { return m_title; }
    const QString& tag() const { return m_tag; }
    JobState state() const { return m_state; }
    bool isEnded() const { return qs::app::isEnded(m_state); }
    /// Latest news from the worker; `fraction()` is 0 while unknown.
    const Progress& progress() const { return m_progress; }
    /// 0..1, or -1 while the job has not said.
    double fraction() const;
    /// Seconds; negative when unknown.
    double secondsLeft() const;
    double secondsRunning() const;
    QDateTime started() const { return m_started; }
    QDateTime finished() const { return m_finished; }
    /// One line: phase while running, the error when failed, what the backend had to say when done.
    QString message() const;
    /// Everything known, for "Copy report".
    QString report() const;
    /// Meaningful once ended; its value is let go when the callbacks have had it: the list keeps handles for
    /// long, and a value may be a model.
    const Outcome& outcome() const { return m_outcome; }
    /// Shown in the Jobs list; peeks are not.
    bool listed() const { return m_listed; }

    /// Called once on the GUI thread after the job ended, in a later turn of the event loop, even when it has
    /// ended already; not called when `context` is gone.
    JobHandle* then(QObject* context, OutcomeCallback callback);
    /// Called with batches of partial results, in order, all of them before `then`.
    JobHandle* onPartial(QObject* context, PartialCallback callback);

public slots:
    /// Answers at once: a waiting job is Cancelled, a running one becomes Cancelling until its next check.
    void cancel();

signals:
    void changed(); ///< state or progress
    void ended();
    void aboutToBeDestroyed(); ///< while it is still a JobHandle, unlike QObject::destroyed

private:
    friend class JobLane;
    JobHandle(QString tag, QString title, bool listed, std::shared_ptr<JobRecord> record, QObject* parent);
    void markStarted();
    /// Of an ended job.
    QStringList notes() const;
    void refresh();
    void deliverPartials();
    void finish(Outcome outcome);
    void queueCallbacks();
    void runCallbacks();
    void setState(JobState state);

    QString m_tag, m_title;
    bool m_listed;
    bool m_essential = false;  ///< JobRequest::essential
    bool m_superseded = false; ///< a newer job with the same tag exists: the result is dropped
    std::shared_ptr<JobRecord> m_record;
    JobState m_state = JobState::Queued;
    Progress m_progress;
    quint64 m_seenProgress = 0;
    QDateTime m_started, m_finished;
    QElapsedTimer m_clock;   ///< since the start
    qint64 m_ranMs = 0;      ///< once ended
    qint64 m_progressMs = 0; ///< when the progress came
    bool m_hasProgress = false;
    Outcome m_outcome;
    std::vector<std::pair<QPointer<QObject>, OutcomeCallback>> m_then;
    std::vector<std::pair<QPointer<QObject>, PartialCallback>> m_partial;
};

} // namespace qs::app
