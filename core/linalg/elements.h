// SPDX-License-Identifier: Apache-2.0
// Arithmetic of single values that the loops of the CPU and the kernels of devices share: C++17, since nvcc
// compiles it too. No multiplication is fused with an addition on either side, so both give the same bits.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#define QS_HOST_DEVICE __host__ __device__
#else
#define QS_HOST_DEVICE
#endif

namespace qs {

/// False for NaN and infinities.
QS_HOST_DEVICE inline bool isFiniteValue(float x) {
    return fabsf(x) <= 3.402823466e38f;
}

/// The code clamp(round(value / scale) + zero, 0, maxCode) of a uniform grid, ties to even, and its value.
QS_HOST_DEVICE inline float uniformCode(float value, float scale, float zero, float maxCode) {
    return fminf(fmaxf(rintf(value / scale) + zero, 0.0f), maxCode);
}
QS_HOST_DEVICE inline float uniformValue(float code, float scale, float zero) {
    return scale * (code - zero);
}

/// How many of the ascending `bounds` are below v; `count` = 2^k - 1 of them. No branches.
QS_HOST_DEVICE inline size_t levelCode(const float* bounds, size_t count, float v) {
    const float* base = bounds;
    for (size_t half = (count + 1) / 2; half > 0; half /= 2)
        base += v > base[half - 1] ? half : 0;
    return size_t(base - bounds);
}

/// `count` equal bins over [lo, hi]: bin i holds edge(i) <= x < edge(i + 1), the last one hi too.
struct EqualBins {
    double lo, hi, width, perUnit;
    size_t count;

    QS_HOST_DEVICE double edge(size_t i) const { return i == count ? hi : lo + double(i) * width; }
    QS_HOST_DEVICE bool holds(double x) const { return x >= lo && x <= hi; } // false for NaN
    /// Of an x that the bins hold.
    QS_HOST_DEVICE size_t indexOf(double x) const {
        if (lo == hi) return 0;
        const double at = (x - lo) * perUnit, last = double(count - 1);
        const size_t i = size_t(at < last ? at : last);
        // The product may land one bin beside the edge that the bins are defined by.
        if (x < edge(i)) return i - 1;
        return x >= edge(i + 1) && i + 1 < count ? i + 1 : i;
    }
};

/// lo <= hi, finite; count >= 1.
inline EqualBins equalBins(double lo, double hi, size_t count) {
    const double most = 1.7976931348623157e308, width = (hi - lo) / double(count);
    const double perUnit = hi > lo ? fmin(double(count) / (hi - lo), most) : 0;
    return {lo, hi, width, perUnit, count};
}

/// Bins of |x| by its bits without the sign: 8 per power of two from 2^-32 to 2^32. Bin 0 holds what is
/// smaller, the last one what is not.
constexpr int kMagnitudeShift = 20;
constexpr uint32_t kFirstMagnitude = uint32_t(127 - 32) << 3; // leading bits of 2^-32
constexpr uint32_t kInnerMagnitudes = 64 * 8;
constexpr size_t kMagnitudeBins = kInnerMagnitudes + 2;

/// Without a branch; what is not finite is in the last one.
QS_HOST_DEVICE inline size_t magnitudeBin(uint32_t magnitude) {
    const uint32_t below = kFirstMagnitude - 1, last = below + kInnerMagnitudes + 1;
    const uint32_t leading = magnitude >> kMagnitudeShift, low = leading > below ? leading : below;
    return (low < last ? low : last) - below;
}

/// x moved by `shift`, in powers 1 to 4, onto `sums`.
QS_HOST_DEVICE inline void addPowers(float x, float shift, double* sums) {
    const double d = double(x) - double(shift), d2 = d * d;
    sums[0] += d;
    sums[1] += d2;
    sums[2] += d2 * d;
    sums[3] += d2 * d2;
}

/// Sum of (a - b)^2 over n values, in their order.
QS_HOST_DEVICE inline float squaredDistance(const float* a, const float* b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; ++i)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

} // namespace qs
