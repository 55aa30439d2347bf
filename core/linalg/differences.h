// SPDX-License-Identifier: Apache-2.0
// Passes over rows of values, several at once: how far two are from each other, and what is not finite.
#pragma once

#include <cstddef>

namespace qs {

struct DifferenceSums {
    double squares = 0;   ///< sum (a - b)^2, the differences in float32
    double reference = 0; ///< sum a^2
    float most = 0;       ///< largest |a - b|; NaN when one is
};
/// Of n values; a - b into `difference` unless that is null. Sums in float64.
DifferenceSums sumDifferences(const float* a, const float* b, size_t n, float* difference);

/// How many of n values are NaN or infinite.
size_t countNotFinite(const float* x, size_t n);
size_t countNotFinite(const double* x, size_t n);

} // namespace qs
