// SPDX-License-Identifier: Apache-2.0
// Vector kernels of the percentile search on magnitude patterns (percentile.h): 31-bit unsigned integers.
#pragma once

#include "core/tensor/matrix.h"

#include <cstdint>
#include <span>

namespace qs {

/// keepRange writes up to this many values past the last one kept.
inline constexpr size_t kSelectionSlack = 64;

struct BelowCounts {
    size_t a = 0, b = 0;
};

/// How many values are below each of two pivots.
BelowCounts countBelow(std::span<const uint32_t> values, uint32_t pivotA, uint32_t pivotB);

/// Copies the values in [lo, hi), in their order, to `out`, which has room for all of them and
/// kSelectionSlack more and may be where the values are; returns their number.
size_t keepRange(std::span<const uint32_t> values, uint32_t lo, uint32_t hi, uint32_t* out);

/// out[i] = |values[i]| as a pattern.
void magnitudes(std::span<const float> values, uint32_t* out);

/// out[c * stride + r] = |m(r, c)| as a pattern: every column contiguous.
void transposedMagnitudes(ConstMatrixView m, uint32_t* out, size_t stride);

} // namespace qs
