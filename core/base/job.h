// SPDX-License-Identifier: Apache-2.0
// JobContext: how a long function hears "stop" and tells how far it is. Passed by const reference through
// core; core knows nothing of threads or windows.
#pragma once

#include "core/base/result.h"

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

namespace qs {

/// One step of a job. `done` and `total` are in units of work the job chose (weights, tokens, bytes).
struct Progress {
    std::string phase;       ///< e.g. "Quantize block 3 of 12"
    double done = 0;         ///< 0 .. total
    double total = 0;        ///< 0 when unknown
    double secondsLeft = -1; ///< estimate from the rate so far; negative when unknown
    double fraction() const { return total > 0 ? done / total : 0; }
};

using ProgressSink = std::function<void(const Progress&)>;

/// Thread-safe. Copies share the same stop token and sink.
class JobContext {
public:
    JobContext() = default;
    explicit JobContext(std::stop_token stop, ProgressSink sink = {});

    bool stopRequested() const { return stop_.stop_requested(); }
    std::stop_token stopToken() const { return stop_; }

    /// Error::cancelled() once a stop was requested. Long functions call it at least every 100 ms of work.
    Result<void> checkpoint() const;

    /// Reports progress of this context's share of the job (see `part`). The estimate of the time left comes
    /// from the rate since the context was made. Cheap calls are fine: the receiver thins them.
    void report(const std::string& phase, double done, double total) const;

    /// A context whose 0..total maps to [from, to] (fractions 0..1) of this one; for jobs made of stages.
    JobContext part(double from, double to) const;

    /// The same stop token, reports dropped: for inner steps whose caller reports.
    JobContext silent() const;

private:
    struct Shared {
        ProgressSink sink;
        std::chrono::steady_clock::time_point start;
    };
    std::stop_token stop_;
    std::shared_ptr<const Shared> shared_;
    double from_ = 0, to_ = 1;
};

} // namespace qs
