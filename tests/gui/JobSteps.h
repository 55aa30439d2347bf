// SPDX-License-Identifier: GPL-3.0-or-later
// Jobs that a test lets go step by step, and an engine on a backend that only takes notes.
#pragma once

#include "app/jobs/JobLane.h"
#include "tests/gui/FakeBackend.h"

#include <QPointer>
#include <QSemaphore>
#include <QtTest>
#include <atomic>

namespace qs::test {

using app::EngineThread;
using app::JobBody;
using app::JobHandle;
using app::JobScope;
using app::Outcome;
using app::Payload;

/// A body that waits until it may go on, hears a stop every millisecond unless deaf, then hands back a
/// number.
struct Steps {
    QSemaphore started, go;
    std::atomic<int> runs{0};
    std::atomic<bool> sawStop{false};
    bool deaf = false;

    JobBody body(int value) {
        return [this, value](const JobScope& scope) -> Outcome {
            ++runs;
            started.release();
            while (!go.tryAcquire(1, 1)) {
                sawStop = sawStop || scope.job().stopRequested();
                if (!deaf && scope.job().stopRequested()) return Error::cancelled();
            }
            return Payload::of(value);
        };
    }
};

inline JobBody quick(int value) {
    return [value](const JobScope&) -> Outcome { return Payload::of(value); };
}

inline std::unique_ptr<EngineThread> makeEngine(BackendLog& log) {
    return std::make_unique<EngineThread>([&log]() -> Result<std::unique_ptr<Backend>> {
        return std::unique_ptr<Backend>(new FakeBackend(&log));
    });
}

inline bool waitEnded(JobHandle* job) {
    return QTest::qWaitFor([job = QPointer<JobHandle>(job)] { return !job || job->isEnded(); }, 5000);
}

} // namespace qs::test
