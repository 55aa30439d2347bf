// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/bench/GptqLoop.h"

#include <numeric>

namespace qs::app {

GptqLoop::GptqLoop(Session* session, QObject* parent) : QObject(parent), m_session(session) {
    connect(session, &Session::modelChanged, this, &GptqLoop::calibrate);
    connect(session, &Session::calibrationChanged, this, [this] {
        if (m_session->calibration() && !m_quantizing) runNext();
    });
    connect(session, &Session::unitFinished, this, [this] { ++m_blocks; });
    connect(session, &Session::runChanged, this, [this] {
        if (!m_quantizing || m_session->running() || !m_session->run()) return;
        ++m_runs;
        runNext();
    });
    calibrate();
}

void GptqLoop::stop() {
    m_stopped = true;
    m_session->engine()->stopAll();
}

void GptqLoop::calibrate() {
    if (!m_session->model() || m_stopped) return;
    CalibrateRequest request;
    request.text.windowLength = 256;
    request.text.windows = 32;
    m_session->calibrate(request);
}

void GptqLoop::runNext() {
    if (m_stopped) return;
    m_quantizing = true;
    QVector<int> all(m_session->table()->count());
    std::iota(all.begin(), all.end(), 0);
    m_bits = m_bits == 8 ? 2 : m_bits + 1;
    m_session->table()->edit(all, ui::SchemeEdit::method("gptq"));
    m_session->table()->edit(all, m_session->table()->editFor(ui::EditField::Bits, m_bits));
    // A folder that holds the same plan would be opened, not computed.
    m_session->startRun(m_session->cacheFolder() + QStringLiteral("/bench/%1").arg(m_runs));
}

} // namespace qs::app
