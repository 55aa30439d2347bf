// SPDX-License-Identifier: Apache-2.0
// What goes on in smaller pieces where device memory is short.
#pragma once

#include "core/base/result.h"

#include <algorithm>

namespace qs::cuda {

/// Runs attempt(size), and again with half the size while memory is short, down to `least`; then the error.
template<class Attempt>
Result<void> withSmallerTiles(size_t size, size_t least, const Attempt& attempt) {
    for (;;) {
        Result<void> r = attempt(size);
        if (r || r.error().code != ErrorCode::OutOfMemory || size <= least) return r;
        size = std::max(least, size / 2);
    }
}

} // namespace qs::cuda
