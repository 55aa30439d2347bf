// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobLane.h"

namespace qs::app {

Shutdown::Shutdown(std::vector<JobLane*> lanes, int timeoutMs, QObject* parent)
    : QObject(parent), m_lanes(std::move(lanes)) {
    m_deadline.setSingleShot(true);
    m_deadline.setInterval(timeoutMs);
    connect(&m_deadline, &QTimer::timeout, this, [this] {
        if (m_finished) return;
        m_finished = true;
        emit finished(false);
    });
    for (JobLane* lane : m_lanes)
        connect(lane, &JobLane::activeCountChanged, this, &Shutdown::check);
}

void Shutdown::begin() {
    if (m_begun) return;
    // A job that did not start yet ends right here: `finished` must still wait for the caller's event
    // handler.
    for (JobLane* lane : m_lanes)
        lane->close();
    m_begun = true;
    m_deadline.start();
    QMetaObject::invokeMethod(
        this, [this] { check(); }, Qt::QueuedConnection);
}

QString Shutdown::waitingFor() const {
    for (const JobLane* lane : m_lanes)
        for (const JobHandle* h : lane->handles())
            if (!h->isEnded()) return h->title();
    return {};
}

void Shutdown::check() {
    if (!m_begun || m_finished) return;
    for (const JobLane* lane : m_lanes)
        if (lane->activeCount() > 0) return;
    m_finished = true;
    m_deadline.stop();
    emit finished(true);
}

} // namespace qs::app
