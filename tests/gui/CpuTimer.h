// SPDX-License-Identifier: GPL-3.0-or-later
// CPU time of the calling thread, so that a busy machine does not fail a paint budget.
#pragma once

#include <algorithm>
#include <ctime>

namespace qs::test {

inline double threadMilliseconds() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6;
}

/// The cheapest of `runs` calls, in milliseconds.
template<class F>
double cheapest(int runs, F&& call) {
    double best = 1e9;
    for (int i = 0; i < runs; ++i) {
        const double start = threadMilliseconds();
        call();
        best = std::min(best, threadMilliseconds() - start);
    }
    return best;
}

} // namespace qs::test
