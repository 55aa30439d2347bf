// SPDX-License-Identifier: Apache-2.0
// Loops of integer grids over contiguous values, vectorized for the machine at run time; bit for bit those of
// the scalar formulas.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qs {

/// code = clamp(round(value / scale) + zero, 0, maxCode), rounded to nearest, ties to even; out = scale (code
/// - zero). Over n values, each with its scale and zero.
void roundToGrid(const float* values, size_t n, const float* scale, const float* zero, float maxCode,
                 uint8_t* codes, float* out);

/// code = clamp((value + offset) inverse + centre, 0, last), rounded to nearest, ties to even; last <= 255.
void roundUniform(const float* values, size_t n, float offset, float inverse, float centre, float last,
                  uint8_t* codes);
/// out = scale (code - centre) - offset.
void decodeUniform(const uint8_t* codes, size_t n, float scale, float centre, float offset, float* out);

/// The smallest and the largest of n >= 1 finite values.
struct MinMax {
    float min, max;
};
MinMax minMaxOf(const float* values, size_t n);

} // namespace qs
