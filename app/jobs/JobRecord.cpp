// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobRecord.h"

#include <exception>
#include <new>

namespace qs::app {

bool JobRecord::begin() {
    Phase expected = Phase::Waiting;
    if (m_phase.compare_exchange_strong(expected, Phase::Running)) return true;
    m_body = nullptr; // what it captured is let go here too
    return false;
}

bool JobRecord::withdraw() {
    Phase expected = Phase::Waiting;
    return m_phase.compare_exchange_strong(expected, Phase::Ended);
}

Outcome JobRecord::execute(Backend* backend, const Error* unavailable) {
    const JobContext context(m_stop.get_token(), [this](const Progress& p) {
        const std::lock_guard lock(m_mutex);
        m_progress = p;
        ++m_progressVersion;
    });
    const std::function<void(Payload)> publish = [this](Payload p) {
        const std::lock_guard lock(m_mutex);
        m_partials.push_back(std::move(p));
    };
    Outcome outcome;
    // The thread's edge: QtConcurrent would turn an exception into "canceled" and lose its text.
    try {
        outcome = unavailable ? Outcome(*unavailable) : m_body(JobScope(context, backend, publish, m_notes));
    } catch (const std::bad_alloc&) {
        outcome = Error{ErrorCode::OutOfMemory, "Not enough memory for this step.", {}};
    } catch (const std::exception& e) {
        outcome = Error::internal(e.what());
    } catch (...) {
        outcome = Error::internal("An exception of unknown type was thrown.");
    }
    // What the body captured (models, calibrations) is let go on this thread, not on the window's.
    m_body = nullptr;
    if (backend)
        for (std::string& note : backend->takeNotes())
            m_notes.push_back(std::move(note));
    m_phase.store(Phase::Ended);
    return outcome;
}

bool JobRecord::takeProgress(quint64& seen, Progress& out) const {
    const std::lock_guard lock(m_mutex);
    if (m_progressVersion == seen) return false;
    seen = m_progressVersion;
    out = m_progress;
    return true;
}

std::vector<Payload> JobRecord::takePartials() {
    const std::lock_guard lock(m_mutex);
    return std::exchange(m_partials, {});
}

} // namespace qs::app
