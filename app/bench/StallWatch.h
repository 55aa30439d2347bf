// SPDX-License-Identifier: GPL-3.0-or-later
// StallWatch: the longest time the event loop of the calling thread did not turn. Used by the benchmark and
// the window tests.
#pragma once

#include <QByteArray>
#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

namespace qs::app {

class StallWatch : public QObject {
public:
    StallWatch();
    /// Names what happens from now on.
    void restart(const char* phase);
    /// Forgets what was measured and starts again.
    void reset(const char* phase);
    /// Milliseconds, without the time in which the thread was ready but something else had the processor:
    /// that says something about the machine, not about the window. Equal to worstWall() where the system
    /// does not tell.
    double worst() const { return m_worst; }
    /// The same with that time.
    double worstWall() const { return m_worstWall; }
    const QByteArray& worstPhase() const { return m_worstPhase; }
    QByteArray report() const;

private:
    void tick();

    QTimer m_timer;
    QElapsedTimer m_clock;
    double m_lastMs = 0, m_lastWaited = 0, m_worst = 0, m_worstWall = 0;
    QByteArray m_phase, m_worstPhase;
};

} // namespace qs::app
