// SPDX-License-Identifier: Apache-2.0
// Rows of a weight are solved independently of each other by most methods: on the processor in stripes, each
// by one thread from its first column to its last, so that no thread waits for another and a block of columns
// stays in a core's cache. A device takes all rows at once.
#pragma once

#include "core/backend/backend.h"
#include "core/base/job.h"

#include <functional>

namespace qs {

/// Calls solve(first, count, job) for all stripes of `rows`, several at the same time where tensors lie in
/// main memory; the first error. Stripes are whole multiples of `together` rows, but for the last one, and do
/// not depend on the number of threads. The calling thread's own stripes report to `job`; the others are
/// silent.
Result<void>
forRowStripes(size_t rows, size_t together, const Backend& backend, const JobContext& job,
              const std::function<Result<void>(size_t first, size_t count, const JobContext& job)>& solve);

} // namespace qs
