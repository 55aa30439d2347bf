// SPDX-License-Identifier: Apache-2.0
// Benchmarks print ratios, not only times: what was reached beside what the machine can do.
//   QS_BENCH(sigma) { report.line("sigma", seconds, "s", "reference", 1.8); }
#pragma once

#include "core/base/timing.h"

#include <string>
#include <vector>

namespace qs::bench {

/// Prints aligned lines "what  value unit  (ratio x beside)".
class Report {
public:
    void line(const std::string& what, double value, const std::string& unit) const;
    /// `other` is the same quantity of the thing compared with; the ratio printed is value / other.
    void line(const std::string& what, double value, const std::string& unit, const std::string& beside,
              double other) const;
    void note(const std::string& text) const;
};

using Benchmark = std::function<void(const Report& report)>;
bool registerBenchmark(const char* name, Benchmark run);

using qs::Timing;
/// See bestTiming().
Timing best(const std::function<void()>& call, double atLeast = 0.5);
/// The wall time alone.
double bestSeconds(const std::function<void()>& call, double atLeast = 0.5);
/// Keeps the compiler from dropping a computation whose result is not used.
void keep(const void* pointer);

} // namespace qs::bench

#define QS_BENCH(name)                                                                                       \
    static void bench_##name(const qs::bench::Report&);                                                      \
    static const bool bench_##name##_registered = qs::bench::registerBenchmark(#name, bench_##name);         \
    static void bench_##name([[maybe_unused]] const qs::bench::Report& report)
