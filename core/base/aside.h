// SPDX-License-Identifier: Apache-2.0
// One piece of work on a thread of its own, beside the thread that goes on.
#pragma once

#include "core/base/result.h"

#include <cassert>
#include <chrono>
#include <functional>
#include <future>

namespace qs {

/// Used by one thread. Waits for its work when it goes.
class Aside {
public:
    /// Nothing may be pending.
    void begin(std::function<Result<void>()> work) {
        assert(!pending());
        pending_ = std::async(std::launch::async, std::move(work));
    }
    bool pending() const { return pending_.valid(); }
    /// Whether finish() would not wait.
    bool ready() const {
        return !pending() || pending_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }
    /// Waits; what the work returned. An exception of it goes on here.
    Result<void> finish() { return pending() ? pending_.get() : Result<void>(); }

private:
    std::future<Result<void>> pending_;
};

} // namespace qs
