// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobLane.h"

namespace qs::app {

namespace {
constexpr int kLightNiceness = 9; // a peek is waited for, a run is not
}

LightPool::LightPool(int threads, QObject* parent) : JobLane(parent) {
    m_pool.setMaxThreadCount(threads);
    m_pool.setObjectName(QStringLiteral("light"));
}

LightPool::~LightPool() {
    stopAll();
    m_pool.clear();
    m_pool.waitForDone();
}

void LightPool::enqueue(std::shared_ptr<JobRecord> record, int priority) {
    m_pool.start(
        [this, record = std::move(record)] {
            yieldToWindow(kLightNiceness);
            work(record, nullptr, nullptr);
        },
        priority);
}

} // namespace qs::app
