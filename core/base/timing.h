// SPDX-License-Identifier: Apache-2.0
// How long a call takes, for benchmarks.
#pragma once

#include <functional>

namespace qs {

struct Timing {
    double wall = 0,
           cpu = 0; ///< seconds; cpu is of all threads of the process, and bears a busy machine better
};
/// Best wall and best processor time of one call, over calls for at least `atLeast` seconds and at least
/// three.
Timing bestTiming(const std::function<void()>& call, double atLeast = 0.5);

} // namespace qs
