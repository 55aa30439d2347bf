// SPDX-License-Identifier: Apache-2.0
// Parallel loops over independent rows or tiles. Results never depend on the number of threads: each index is
// computed by one thread in the same way whoever runs it.
#pragma once

#include <cstddef>
#include <functional>

namespace qs::linalg {

/// Calls body(begin, end) on disjoint ranges that cover [0, count), on up to threads() threads, in chunks of
/// at least `grain`. The calling thread takes part; nested calls run serially. Workers sleep between loops
/// (no spinning).
void parallelFor(size_t count, size_t grain, const std::function<void(size_t begin, size_t end)>& body);

} // namespace qs::linalg
