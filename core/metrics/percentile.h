// SPDX-License-Identifier: Apache-2.0
// Percentiles of |x|, exact and approximate. The IEEE bit pattern of |x|, read as an unsigned integer, grows
// with |x|, so values are ranked and binned by their leading bits without a logarithm.
//
// Percentile p of n values: with h = (n - 1) p, k = floor(h) and a the sorted values,
// a[k] + (h - k) (a[k + 1] - a[k]): linear interpolation, NumPy's default.
#pragma once

#include "core/tensor/matrix.h"

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace qs {

/// 0.5, 0.99, 0.999: what the statistics report.
inline constexpr std::array<double, 3> kPercentiles = {0.5, 0.99, 0.999};
using PercentileValues = std::array<float, kPercentiles.size()>;

inline uint32_t magnitudeBits(float x) {
    return std::bit_cast<uint32_t>(x) & 0x7fffffffu;
}
inline constexpr uint32_t kInfinityBits = 0x7f800000u;

/// Exact, of values in memory: a counting pass finds the bins that hold the ranks, the few values of those
/// bins are ordered. Keeps its scratch memory between calls. Not thread-safe.
class PercentileSelector {
public:
    PercentileSelector();
    /// `magnitudes`: magnitudeBits of finite values. All 0 when there are none.
    PercentileValues select(std::span<const uint32_t> magnitudes);

private:
    /// Moves the values of the bins that hold the ranks to gathered_, and makes the ranks count in there.
    void gather(std::span<const uint32_t> magnitudes);
    struct Ranks {
        uint64_t low = 0, high = 0;
    };
    std::array<Ranks, kPercentiles.size()> ranks_;
    std::vector<uint32_t> counts_, gathered_;
    std::vector<uint8_t> wanted_;
};

/// Exact, of any number of values seen twice in the same order or another: first() counts by the leading 15
/// bits of |x|, second() counts the other 16 bits in the bins that hold the ranks. Non-finite values are
/// left out.
class TwoPassPercentiles {
public:
    TwoPassPercentiles();
    void first(std::span<const float> values);
    /// Between the passes.
    void prepareSecond();
    void second(std::span<const float> values);
    PercentileValues result() const;
    uint64_t zeros() const { return zeros_; }
    uint64_t count() const { return count_; } ///< finite values; known after prepareSecond()

private:
    struct Rank {
        uint64_t within = 0; ///< rank inside its bin
        uint32_t bin = 0, slot = 0;
    };
    std::vector<uint64_t> coarse_;
    std::vector<uint8_t> slotOfBin_; ///< 0: not needed
    std::vector<std::vector<uint64_t>> fine_;
    std::vector<Rank> ranks_; ///< two per percentile
    uint64_t zeros_ = 0, count_ = 0;
};

/// Approximate, of a stream, per channel: counts of |x| in 8 bins per power of two from 2^-32 to 2^32.
/// Smaller magnitudes are taken as 0, larger ones as the largest seen; between, the relative error is at most
/// 1/17 (5.9 %). 2 KiB per channel. Not thread-safe.
class MagnitudeCounts {
public:
    explicit MagnitudeCounts(size_t channels);
    /// [values, channels]; non-finite values are left out.
    void addRows(ConstMatrixView block);
    void merge(const MagnitudeCounts& other);
    PercentileValues percentiles(size_t channel, float absmax) const;

private:
    size_t channels_;
    std::vector<uint32_t> counts_; ///< [channels, bins]
};

} // namespace qs
