// SPDX-License-Identifier: Apache-2.0
#include "core/base/job.h"

namespace qs {

JobContext::JobContext(std::stop_token stop, ProgressSink sink) : stop_(std::move(stop)) {
    if (sink)
        shared_ = std::make_shared<const Shared>(Shared{std::move(sink), std::chrono::steady_clock::now()});
}

Result<void> JobContext::checkpoint() const {
    if (stopRequested()) return Error::cancelled();
    return {};
}

void JobContext::report(const std::string& phase, double done, double total) const {
    if (!shared_) return;
    const double own = total > 0 ? std::min(1.0, std::max(0.0, done / total)) : 0.0;
    Progress p;
    p.phase = phase;
    p.done = from_ + (to_ - from_) * own;
    p.total = 1.0;
    const double elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - shared_->start).count();
    // Below 2 % the rate is noise: say "unknown" rather than a wild number.
    if (p.done >= 0.02 && elapsed > 0.2) p.secondsLeft = elapsed * (1.0 - p.done) / p.done;
    shared_->sink(p);
}

JobContext JobContext::part(double from, double to) const {
    JobContext c = *this;
    c.from_ = from_ + (to_ - from_) * from;
    c.to_ = from_ + (to_ - from_) * to;
    return c;
}

JobContext JobContext::silent() const {
    JobContext c = *this;
    c.shared_.reset();
    return c;
}

} // namespace qs
