// SPDX-License-Identifier: Apache-2.0
// Bins of magnitudes, several values at once.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qs {

/// bins[i] = magnitudeBin(|x_i|) of n values; the largest pattern of |x_i| (see linalg/elements.h).
uint32_t magnitudeBinsOf(const float* x, size_t n, uint32_t* bins);

} // namespace qs
