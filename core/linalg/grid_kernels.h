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

/// A group of at most 32 values on a uniform grid v = code - centre, codes as roundUniform finds them.
struct UniformGroup {
    const float* values;
    const float* weights; ///< of the squared errors; nullptr: all 1
    size_t n;
    float offset, inverse, centre, last;
};
/// sum_i w_i (scale v_i - offset - x_i)^2, terms and sum in float64 (lanes of it: the order of the sum
/// depends on the machine).
double uniformError(const UniformGroup& group, float scale, float offset);
/// Sums over i of w, w v, w v^2, w x and w v x, the same way, and that error.
struct UniformSums {
    double w, v, vv, x, vx, error;
};
UniformSums uniformSums(const UniformGroup& group, float scale, float offset);

/// The smallest and the largest of n >= 1 finite values.
struct MinMax {
    float min, max;
};
MinMax minMaxOf(const float* values, size_t n);

} // namespace qs
