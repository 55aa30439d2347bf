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

/// Exact, of values in memory. The range of patterns that holds the wanted ranks is narrowed by counting what
/// lies below two pivots; first where the last call's percentiles were, which is near for neighbouring
/// channels of a tensor, then by interpolation and by thirds. What the range holds is copied out as soon as
/// it is few, and ordered in the end. Which pivots were tried never changes the result. Keeps its scratch
/// memory between calls. Not thread-safe.
class PercentileSelector {
public:
    /// `magnitudes`: magnitudeBits of the values, `finite` of which are finite; the others are left out. All
    /// 0 when none is finite.
    PercentileValues select(std::span<const uint32_t> magnitudes, size_t finite);

private:
    /// Values in [lo, hi) have ranks [below, end).
    struct Range {
        uint32_t lo = 0, hi = 0;
        size_t below = 0, end = 0;
        size_t size() const { return end - below; }
    };
    struct Pair {
        uint32_t low = 0, high = 0; ///< the order statistics of a rank and of the next one
    };
    /// Where percentile i was, and how far from the guess.
    struct Guess {
        uint32_t at = 0, spread = 0;
    };
    Pair find(std::span<const uint32_t> values, Range range, size_t low, size_t high, Guess& guess);
    /// Counts below two pivots and narrows `range` around the ranks.
    static void narrow(std::span<const uint32_t> values, Range& range, size_t low, size_t high,
                       uint32_t pivotA, uint32_t pivotB);

    std::array<Guess, kPercentiles.size()> guesses_;
    std::vector<uint32_t> tail_, kept_;
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
    /// The counts of another that has seen other values of the same tensor, before or after prepareSecond()
    /// as this one. The ranks are this one's.
    void mergeFirst(const TwoPassPercentiles& other);
    void mergeSecond(const TwoPassPercentiles& other);
    /// Takes over what prepareSecond() found in `other`, to count beside it.
    void prepareSecondLike(const TwoPassPercentiles& other);
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
    /// counts [channels, kMagnitudeBins] of finite values.
    explicit MagnitudeCounts(const MatrixT<uint32_t>& counts);
    /// [values, channels]; non-finite values are left out.
    void addRows(ConstMatrixView block);
    void merge(const MagnitudeCounts& other);
    PercentileValues percentiles(size_t channel, float absmax) const;

private:
    size_t channels_;
    std::vector<uint32_t> counts_; ///< [channels, bins]
};

} // namespace qs
