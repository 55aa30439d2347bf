// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/StallWatch.h"

#include <QFile>

namespace qs::app {

namespace {

constexpr int kTickMs = 2;

/// Milliseconds that this thread waited for a processor so far.
double waitedMs() {
    QFile f(QStringLiteral("/proc/thread-self/schedstat"));
    if (!f.open(QIODevice::ReadOnly)) return 0;
    return f.readAll().split(' ').value(1).toDouble() / 1e6;
}

} // namespace

StallWatch::StallWatch() {
    m_timer.setInterval(kTickMs);
    m_timer.setTimerType(Qt::PreciseTimer);
    connect(&m_timer, &QTimer::timeout, this, &StallWatch::tick);
    restart("start");
    m_timer.start();
}

void StallWatch::restart(const char* phase) {
    tick();
    m_phase = phase;
}

void StallWatch::reset(const char* phase) {
    restart(phase);
    m_worst = m_worstWall = 0;
    m_worstPhase.clear();
}

QByteArray StallWatch::report() const {
    return "longest stall " + QByteArray::number(m_worst, 'f', 1) + " ms (" + m_worstPhase + ")";
}

void StallWatch::tick() {
    const double waited = waitedMs();
    const double now = double(m_clock.isValid() ? m_clock.nsecsElapsed() : 0) / 1e6;
    if (m_clock.isValid()) {
        const double wall = now - m_lastMs;
        const double stall = wall - (waited - m_lastWaited);
        m_worstWall = std::max(m_worstWall, wall);
        if (stall > m_worst) {
            m_worst = stall;
            m_worstPhase = m_phase;
        }
    } else {
        m_clock.start();
    }
    m_lastMs = now;
    m_lastWaited = waited;
}

} // namespace qs::app
