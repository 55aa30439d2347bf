// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/percentile.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qs {

namespace {

struct Position {
    uint64_t low, high; ///< ranks of the two order statistics
    double fraction;    ///< of the way from low to high
};

Position position(uint64_t n, double p) {
    const double h = double(n - 1) * p;
    const uint64_t low = uint64_t(h);
    return {low, std::min(low + 1, n - 1), h - double(low)};
}

float interpolate(float low, float high, double fraction) {
    return float(double(low) + fraction * (double(high) - double(low)));
}

/// PercentileSelector: exponent and 3 mantissa bits.
constexpr int kSelectShift = 20;
constexpr size_t kSelectBins = size_t(1) << (31 - kSelectShift);
/// Up to this many values counting does not pay.
constexpr size_t kDirectLimit = 512;

/// TwoPassPercentiles: 15 leading bits, then 16.
constexpr int kCoarseShift = 16;
constexpr size_t kCoarseBins = size_t(1) << (31 - kCoarseShift);
constexpr size_t kFineBins = size_t(1) << kCoarseShift;
constexpr uint32_t kInfinityCoarseBin = kInfinityBits >> kCoarseShift;

/// MagnitudeCounts: bin 0 holds |x| < 2^-32, the last one |x| >= 2^32.
constexpr int kLogShift = 20;
constexpr uint32_t kLogFirst = uint32_t(127 - 32) << 3; ///< leading bits of 2^-32
constexpr uint32_t kLogInner = 64 * 8;
constexpr size_t kLogBins = kLogInner + 2;
constexpr size_t kLogTile = 64; ///< channels whose counts stay in the second-level cache

size_t logBin(uint32_t magnitude) {
    const uint32_t leading = magnitude >> kLogShift;
    if (leading < kLogFirst) return 0;
    return std::min(leading - kLogFirst, kLogInner) + 1;
}

/// The value whose relative distance to both ends [a, b) of a bin is the same: 2 a b / (a + b).
float logBinValue(size_t bin, float absmax) {
    if (bin == 0) return 0.0f;
    if (bin == kLogBins - 1) return absmax;
    const double a = std::bit_cast<float>((uint32_t(bin - 1) + kLogFirst) << kLogShift);
    const double b = std::bit_cast<float>((uint32_t(bin) + kLogFirst) << kLogShift);
    return std::min(float(2 * a * b / (a + b)), absmax);
}

} // namespace

PercentileSelector::PercentileSelector() : counts_(2 * kSelectBins), wanted_(kSelectBins) {}

void PercentileSelector::gather(std::span<const uint32_t> magnitudes) {
    // Two tables: equal neighbours would wait for each other's increment.
    std::fill(counts_.begin(), counts_.end(), 0u);
    uint32_t *counts = counts_.data(), *odd = counts + kSelectBins;
    const size_t n = magnitudes.size();
    for (size_t i = 0; i + 1 < n; i += 2) {
        ++counts[magnitudes[i] >> kSelectShift];
        ++odd[magnitudes[i + 1] >> kSelectShift];
    }
    if (n % 2) ++counts[magnitudes[n - 1] >> kSelectShift];
    for (size_t b = 0; b < kSelectBins; ++b)
        counts[b] += odd[b];

    std::fill(wanted_.begin(), wanted_.end(), uint8_t(0));
    uint64_t* pending[2 * kPercentiles.size()];
    for (size_t i = 0; i < kPercentiles.size(); ++i) {
        pending[2 * i] = &ranks_[i].low;
        pending[2 * i + 1] = &ranks_[i].high;
    }
    std::sort(std::begin(pending), std::end(pending), [](auto* a, auto* b) { return *a < *b; });
    uint64_t before = 0, left = 0; // values in earlier bins, and those of them that are not gathered
    size_t next = 0;
    for (size_t b = 0; next < std::size(pending); ++b) {
        const uint64_t end = before + counts[b];
        for (; next < std::size(pending) && *pending[next] < end; ++next) {
            *pending[next] -= left;
            wanted_[b] = 1;
        }
        if (!wanted_[b]) left += counts[b];
        before = end;
    }
    gathered_.resize(n + 1);
    size_t kept = 0;
    for (const uint32_t m : magnitudes) {
        gathered_[kept] = m;
        kept += wanted_[m >> kSelectShift];
    }
    gathered_.resize(kept);
}

PercentileValues PercentileSelector::select(std::span<const uint32_t> magnitudes) {
    PercentileValues values{};
    const size_t n = magnitudes.size();
    if (n == 0) return values;
    std::array<double, kPercentiles.size()> fractions;
    for (size_t i = 0; i < kPercentiles.size(); ++i) {
        const Position at = position(n, kPercentiles[i]);
        ranks_[i] = {at.low, at.high};
        fractions[i] = at.fraction;
    }
    if (n <= kDirectLimit)
        gathered_.assign(magnitudes.begin(), magnitudes.end());
    else
        gather(magnitudes);
    // Ranks rise, so what was ordered for one percentile bounds the search for the next.
    auto from = gathered_.begin();
    for (size_t i = 0; i < kPercentiles.size(); ++i) {
        const auto at = gathered_.begin() + ptrdiff_t(ranks_[i].low);
        std::nth_element(from, at, gathered_.end());
        const auto next = at + (ranks_[i].high - ranks_[i].low);
        const uint32_t high = next == at ? *at : *std::min_element(at + 1, gathered_.end());
        values[i] = interpolate(std::bit_cast<float>(*at), std::bit_cast<float>(high), fractions[i]);
        from = at;
    }
    return values;
}

TwoPassPercentiles::TwoPassPercentiles() : coarse_(kCoarseBins) {}

void TwoPassPercentiles::first(std::span<const float> values) {
    uint64_t zeros = 0;
    for (const float v : values) {
        const uint32_t m = magnitudeBits(v);
        ++coarse_[m >> kCoarseShift];
        zeros += m == 0;
    }
    zeros_ += zeros;
}

void TwoPassPercentiles::prepareSecond() {
    count_ = std::accumulate(coarse_.begin(), coarse_.begin() + kInfinityCoarseBin, uint64_t(0));
    slotOfBin_.assign(kCoarseBins, 0);
    if (count_ == 0) return;
    for (const double p : kPercentiles) {
        const Position at = position(count_, p);
        for (uint64_t rank : {at.low, at.high}) {
            Rank r;
            while (rank >= coarse_[r.bin])
                rank -= coarse_[r.bin++];
            r.within = rank;
            if (slotOfBin_[r.bin] == 0) {
                fine_.emplace_back(kFineBins);
                slotOfBin_[r.bin] = uint8_t(fine_.size());
            }
            r.slot = slotOfBin_[r.bin] - 1u;
            ranks_.push_back(r);
        }
    }
}

void TwoPassPercentiles::second(std::span<const float> values) {
    for (const float v : values) {
        const uint32_t m = magnitudeBits(v);
        if (const uint8_t slot = slotOfBin_[m >> kCoarseShift]) ++fine_[slot - 1][m & (kFineBins - 1)];
    }
}

PercentileValues TwoPassPercentiles::result() const {
    PercentileValues values{};
    if (count_ == 0) return values;
    const auto valueOf = [&](const Rank& r) {
        uint64_t rank = r.within;
        uint32_t low = 0;
        while (low + 1 < kFineBins && rank >= fine_[r.slot][low])
            rank -= fine_[r.slot][low++];
        return std::bit_cast<float>((r.bin << kCoarseShift) | low);
    };
    for (size_t i = 0; i < kPercentiles.size(); ++i)
        values[i] = interpolate(valueOf(ranks_[2 * i]), valueOf(ranks_[2 * i + 1]),
                                position(count_, kPercentiles[i]).fraction);
    return values;
}

MagnitudeCounts::MagnitudeCounts(size_t channels) : channels_(channels), counts_(channels * kLogBins) {}

void MagnitudeCounts::addRows(ConstMatrixView block) {
    assert(block.cols == channels_);
    for (size_t c0 = 0; c0 < block.cols; c0 += kLogTile) {
        const size_t n = std::min(kLogTile, block.cols - c0);
        uint32_t* counts = counts_.data() + c0 * kLogBins;
        for (size_t r = 0; r < block.rows; ++r) {
            const float* x = block.row(r) + c0;
            for (size_t c = 0; c < n; ++c) {
                const uint32_t m = magnitudeBits(x[c]);
                counts[c * kLogBins + logBin(m)] += m < kInfinityBits;
            }
        }
    }
}

void MagnitudeCounts::merge(const MagnitudeCounts& other) {
    assert(other.channels_ == channels_);
    for (size_t i = 0; i < counts_.size(); ++i)
        counts_[i] += other.counts_[i];
}

PercentileValues MagnitudeCounts::percentiles(size_t channel, float absmax) const {
    PercentileValues values{};
    const std::span<const uint32_t> counts(counts_.data() + channel * kLogBins, kLogBins);
    const uint64_t n = std::accumulate(counts.begin(), counts.end(), uint64_t(0));
    if (n == 0) return values;
    const auto valueOf = [&](uint64_t rank) {
        size_t bin = 0;
        while (rank >= counts[bin])
            rank -= counts[bin++];
        return logBinValue(bin, absmax);
    };
    for (size_t i = 0; i < kPercentiles.size(); ++i) {
        const Position at = position(n, kPercentiles[i]);
        values[i] = interpolate(valueOf(at.low), valueOf(at.high), at.fraction);
    }
    return values;
}

} // namespace qs
