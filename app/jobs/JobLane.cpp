// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobLane.h"

#include <algorithm>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace qs::app {

namespace {
constexpr int kTickMs = 100;
}

JobLane::JobLane(QObject* parent) : QObject(parent) {
    m_timer.setInterval(kTickMs);
    connect(&m_timer, &QTimer::timeout, this, &JobLane::tick);
}

JobLane::~JobLane() {
    // Children outlive this destructor's body; without this a handle's end would call back into a
    // half-destroyed lane.
    const auto handles = std::exchange(m_handles, {});
    for (JobHandle* h : handles) {
        h->disconnect(this);
        delete h;
    }
}

JobHandle* JobLane::post(const JobRequest& request, JobBody body) {
    if (!request.tag.isEmpty()) {
        const auto handles = m_handles;
        for (JobHandle* h : handles) {
            if (h->tag() != request.tag || h->isEnded()) continue;
            h->m_superseded = true;
            h->cancel();
        }
    }
    auto record = std::make_shared<JobRecord>(std::move(body));
    auto* handle = new JobHandle(request.tag, request.title, request.listed, record, this);
    handle->m_essential = request.essential;
    m_handles.push_back(handle);
    connect(handle, &JobHandle::ended, this, [this, handle] {
        emit jobEnded(handle);
        emit activeCountChanged(activeCount());
    });
    if (!m_closed) enqueue(std::move(record), request.priority);
    emit jobPosted(handle);
    emit activeCountChanged(activeCount());
    if (m_closed) handle->cancel();
    return handle;
}

int JobLane::activeCount() const {
    return int(std::count_if(m_handles.begin(), m_handles.end(), [](JobHandle* h) { return !h->isEnded(); }));
}

void JobLane::stopAll() {
    const auto handles = m_handles;
    for (JobHandle* h : handles)
        if (!h->m_essential) h->cancel();
}

void JobLane::close() {
    m_closed = true;
    stopAll();
}

void JobLane::forgetEnded() {
    const auto handles = m_handles;
    for (JobHandle* h : handles) {
        if (!h->isEnded() || !h->m_then.empty()) continue;
        std::erase(m_handles, h);
        h->deleteLater();
    }
}

void JobLane::yieldToWindow(int niceness) {
    // On Linux niceness belongs to a thread. What is refused costs smoothness only.
    const auto self = id_t(::syscall(SYS_gettid));
    if (::getpriority(PRIO_PROCESS, self) < niceness) ::setpriority(PRIO_PROCESS, self, niceness);
}

void JobLane::work(const std::shared_ptr<JobRecord>& record, Backend* backend, const Error* unavailable) {
    if (!record->begin()) return;
    // invokeMethod only posts an event to this object; nothing of it is touched on the worker.
    QMetaObject::invokeMethod(
        this, [this, record] { onStarted(record.get()); }, Qt::QueuedConnection);
    Outcome outcome = record->execute(backend, unavailable);
    QMetaObject::invokeMethod(
        this, [this, record, outcome = std::move(outcome)] { onEnded(record.get(), outcome); },
        Qt::QueuedConnection);
}

void JobLane::onStarted(const JobRecord* record) {
    if (JobHandle* h = find(record)) h->markStarted();
    m_timer.start();
}

void JobLane::onEnded(const JobRecord* record, const Outcome& outcome) {
    if (JobHandle* h = find(record)) h->finish(outcome);
    if (activeCount() == 0) m_timer.stop();
}

void JobLane::tick() {
    std::vector<QPointer<JobHandle>> handles(m_handles.begin(), m_handles.end());
    for (const auto& h : handles)
        if (h) h->refresh();
}

JobHandle* JobLane::find(const JobRecord* record) const {
    const auto it = std::find_if(m_handles.begin(), m_handles.end(),
                                 [record](JobHandle* h) { return h->m_record.get() == record; });
    return it == m_handles.end() ? nullptr : *it;
}

void JobLane::retire(JobHandle* handle) {
    const auto forget = [this](JobHandle* h) {
        std::erase(m_handles, h);
        h->deleteLater();
    };
    if (!handle->listed()) {
        forget(handle);
        return;
    }
    std::vector<JobHandle*> ended;
    std::copy_if(m_handles.begin(), m_handles.end(), std::back_inserter(ended),
                 [](JobHandle* h) { return h->listed() && h->isEnded() && h->m_then.empty(); });
    for (size_t i = 0; i + kKeptEnded < ended.size(); ++i)
        forget(ended[i]);
}

} // namespace qs::app
