// SPDX-License-Identifier: GPL-3.0-or-later
// JobLane: a way to run jobs off the GUI thread. EngineThread: one thread that owns the backend for life, one
// job at a time, in order. LightPool: two threads for peeks and previews. Everything here is called on the
// GUI thread.
#pragma once

#include "app/jobs/JobHandle.h"

#include <QThread>
#include <QThreadPool>
#include <QTimer>
#include <deque>

namespace qs::app {

struct JobRequest {
    QString tag;   ///< latest wins: a new job stops an unfinished one with the same tag and its result is
                   ///< dropped; "" never
    QString title; ///< "Quantize Llama-3.2-1B"
    bool listed = true;     ///< in the Jobs list
    int priority = 0;       ///< LightPool only: higher first
    bool essential = false; ///< a file the user asked for: not ended by stopAll() and close()
};

class JobLane : public QObject {
    Q_OBJECT
public:
    static constexpr int kKeptEnded = 200; ///< ended listed handles kept

    ~JobLane() override;

    /// The handle belongs to the lane; an unlisted one is deleted after its callbacks, a listed one when
    /// forgotten.
    JobHandle* post(const JobRequest& request, JobBody body);
    /// Every handle that exists, oldest first.
    const std::vector<JobHandle*>& handles() const { return m_handles; }
    int activeCount() const;
    void stopAll();
    /// For good: stops every job; what is posted later ends as cancelled without having started.
    void close();
    /// Deletes ended listed handles.
    void forgetEnded();

signals:
    void jobPosted(qs::app::JobHandle* job);
    void jobEnded(qs::app::JobHandle* job);
    void activeCountChanged(int active);

protected:
    explicit JobLane(QObject* parent);
    virtual void enqueue(std::shared_ptr<JobRecord> record, int priority) = 0;
    /// Worker side: the window's thread and lower niceness go first where processors are short. For this
    /// thread and those that it starts; it only rises.
    static void yieldToWindow(int niceness);
    /// Worker side: runs a record and tells the window. `this` must outlive the worker.
    void work(const std::shared_ptr<JobRecord>& record, Backend* backend, const Error* unavailable);

private:
    friend class JobHandle;
    void onStarted(const JobRecord* record);
    void onEnded(const JobRecord* record, const Outcome& outcome);
    void tick();
    JobHandle* find(const JobRecord* record) const;
    void retire(JobHandle* handle);

    std::vector<JobHandle*> m_handles;
    bool m_closed = false;
    QTimer m_timer; ///< 100 ms while something runs: news are fetched, never pushed
};

/// Makes the engine's backend, on the engine's thread.
using BackendFactory = std::function<Result<std::unique_ptr<Backend>>()>;

class EngineThread : public JobLane {
    Q_OBJECT
public:
    explicit EngineThread(BackendFactory factory, QObject* parent = nullptr);
    ~EngineThread() override; ///< stops every job and joins the thread

    /// For the jobs posted from now on; those before it end on the present one.
    void useBackend(BackendFactory factory);
    /// "" until the backend is made.
    const QString& backendDescription() const { return m_description; }
    /// Of a device with memory of its own: when the backend was made, and after each job.
    const std::optional<MemoryState>& memory() const { return m_memory; }

signals:
    void backendReady(const QString& description);
    void memoryChanged();

private:
    class Worker;
    void enqueue(std::shared_ptr<JobRecord> record, int priority) override;
    /// Worker side: asks the backend, and tells the window.
    void readMemory(const Worker& worker);

    QThread m_thread;
    Worker* m_worker = nullptr;
    QString m_description;
    std::optional<MemoryState> m_memory;
};

class LightPool : public JobLane {
    Q_OBJECT
public:
    /// Three: one scan of weights and one check of formats leave one for what somebody waits for.
    explicit LightPool(int threads = 3, QObject* parent = nullptr);
    ~LightPool() override;

private:
    void enqueue(std::shared_ptr<JobRecord> record, int priority) override;

    QThreadPool m_pool;
};

/// Closes some lanes for quitting: `finished(true)` when all have ended, `finished(false)` after
/// `timeoutMs`. Never blocks; the window shows `waitingFor` meanwhile.
class Shutdown : public QObject {
    Q_OBJECT
public:
    Shutdown(std::vector<JobLane*> lanes, int timeoutMs = 3000, QObject* parent = nullptr);
    void begin();
    /// Title of a job that still runs, "" when none.
    QString waitingFor() const;

signals:
    void finished(bool inTime);

private:
    void check();
    std::vector<JobLane*> m_lanes;
    QTimer m_deadline;
    bool m_begun = false, m_finished = false;
};

} // namespace qs::app
