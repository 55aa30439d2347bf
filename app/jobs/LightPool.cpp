// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobLane.h"
#include "core/tensor/spare_memory.h"

namespace qs::app {

namespace {
constexpr int kLightNiceness = 9;                // a peek is waited for, a run is not
constexpr size_t kKeptBytes = size_t(128) << 20; // for the next peek
} // namespace

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
            releaseSpareMatrices(kKeptBytes);
        },
        priority);
}

} // namespace qs::app
