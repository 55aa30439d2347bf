// SPDX-License-Identifier: GPL-3.0-or-later
// GptqLoop: keeps a session's engine at work: calibrates the sample model once, then quantizes it again and
// again, each time to another number of bits.
#pragma once

#include "app/session/Session.h"

namespace qs::app {

class GptqLoop : public QObject {
    Q_OBJECT
public:
    /// `session` must hold the sample model, or get it. Starts when it is there.
    explicit GptqLoop(Session* session, QObject* parent = nullptr);
    int runs() const { return m_runs; }
    int blocks() const { return m_blocks; }
    bool quantizing() const { return m_quantizing; }
    void stop();

private:
    void calibrate();
    void runNext();

    Session* m_session;
    int m_runs = 0, m_blocks = 0, m_bits = 2;
    bool m_quantizing = false, m_stopped = false;
};

} // namespace qs::app
