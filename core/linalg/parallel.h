// SPDX-License-Identifier: Apache-2.0
// Parallel loops over independent rows or tiles. Results never depend on the number of threads: each index is
// computed by one thread in the same way whoever runs it.
#pragma once

#include "core/base/result.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>

namespace qs::linalg {

/// Calls body(begin, end) on disjoint ranges that cover [0, count), on up to threads() threads, in chunks of
/// at least `grain`. The calling thread takes part; nested calls run serially. Between loops workers stay
/// awake for 100 us, for a loop that follows at once, and then sleep.
void parallelFor(size_t count, size_t grain, const std::function<void(size_t begin, size_t end)>& body);

/// The first error of the bodies of a loop; thread-safe.
class FirstError {
public:
    void note(Result<void> r) {
        if (r) return;
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = r.takeError();
        failed_ = true;
    }
    bool failed() const { return failed_; }
    /// After the loop.
    Result<void> result() {
        if (error_) return std::move(*error_);
        return {};
    }

private:
    std::mutex mutex_;
    std::atomic<bool> failed_{false};
    std::optional<Error> error_;
};

} // namespace qs::linalg
