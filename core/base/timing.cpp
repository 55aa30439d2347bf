// SPDX-License-Identifier: Apache-2.0
#include "core/base/timing.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>

namespace qs {

namespace {

double processorSeconds() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

} // namespace

Timing bestTiming(const std::function<void()>& call, double atLeast) {
    using Clock = std::chrono::steady_clock;
    Timing found{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    const auto begin = Clock::now();
    for (int n = 0; n < 3 || std::chrono::duration<double>(Clock::now() - begin).count() < atLeast; ++n) {
        const auto start = Clock::now();
        const double cpu = processorSeconds();
        call();
        found.cpu = std::min(found.cpu, processorSeconds() - cpu);
        found.wall = std::min(found.wall, std::chrono::duration<double>(Clock::now() - start).count());
    }
    return found;
}

} // namespace qs
