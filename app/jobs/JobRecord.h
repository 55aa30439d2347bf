// SPDX-License-Identifier: GPL-3.0-or-later
// The part of a job that both threads see. The window's part is JobHandle.
#pragma once

#include "app/jobs/Payload.h"
#include "core/backend/backend.h"
#include "core/base/job.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <stop_token>
#include <vector>

#include <QtGlobal>

namespace qs::app {

/// What a body sees on its worker thread.
class JobScope {
public:
    JobScope(const JobContext& job, Backend* backend, const std::function<void(Payload)>& publish,
             std::vector<std::string>& notes)
        : m_job(job), m_backend(backend), m_publish(publish), m_notes(notes) {}

    const JobContext& job() const { return m_job; }
    /// The engine's backend. Only on the engine lane.
    Backend& backend() const { return *m_backend; }
    /// Hands a partial result to the window (JobHandle::onPartial), in order, in batches at most ten times a
    /// second.
    void publish(Payload snapshot) const { m_publish(std::move(snapshot)); }
    /// Says something with the job that its result does not.
    void note(const std::string& text) const { m_notes.push_back(text); }

private:
    const JobContext& m_job;
    Backend* m_backend;
    const std::function<void(Payload)>& m_publish;
    std::vector<std::string>& m_notes;
};

/// Runs on a worker thread; must not touch a QObject. What it throws is caught and becomes the job's error.
using JobBody = std::function<Outcome(const JobScope&)>;

/// Thread-safe.
class JobRecord {
public:
    enum class Phase { Waiting, Running, Ended };

    explicit JobRecord(JobBody body) : m_body(std::move(body)) {}

    /// Worker: claims a waiting job; false when it was cancelled in the meantime.
    bool begin();
    /// Worker, after begin(): runs the body, or fails with `unavailable` when given. Never throws.
    Outcome execute(Backend* backend, const Error* unavailable = nullptr);
    /// Window, once ended: what the body and the backend (Backend::takeNotes) have to say about the job.
    const std::vector<std::string>& notes() const { return m_notes; }
    /// Window: true when the job was still waiting and now never starts.
    bool withdraw();
    void requestStop() { m_stop.request_stop(); }
    bool stopRequested() const { return m_stop.stop_requested(); }

    /// Window: the latest progress when it is newer than `seen`.
    bool takeProgress(quint64& seen, Progress& out) const;
    /// Window: the partial results that came since the last call.
    std::vector<Payload> takePartials();

private:
    JobBody m_body;
    std::atomic<Phase> m_phase{Phase::Waiting};
    std::stop_source m_stop;
    mutable std::mutex m_mutex;
    Progress m_progress;
    quint64 m_progressVersion = 0;
    std::vector<Payload> m_partials;
    std::vector<std::string> m_notes;
};

} // namespace qs::app
