// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/percentile.h"

#include "core/linalg/elements.h"
#include "core/linalg/parallel.h"
#include "core/metrics/magnitude_bins.h"
#include "core/metrics/selection.h"

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

/// PercentileSelector: so few values are ordered, more are narrowed down.
constexpr size_t kFew = 48;
/// Rounds in a row that hardly narrowed the range, as when the ranks lie on both sides of a gap: what is left
/// is ordered, however much it is.
constexpr int kStuck = 2;
constexpr uint32_t kMostError = 1u << 28;

/// TwoPassPercentiles: 15 leading bits, then 16.
constexpr int kCoarseShift = 16;
constexpr size_t kCoarseBins = size_t(1) << (31 - kCoarseShift);
constexpr size_t kFineBins = size_t(1) << kCoarseShift;
constexpr uint32_t kInfinityCoarseBin = kInfinityBits >> kCoarseShift;

/// MagnitudeCounts: channels whose counts stay near while the rows pass, and as many of these as are counted
/// in 16 bits before the counts are added to the whole ones: half of the memory to go to.
constexpr size_t kLogTile = 128, kLogRows = 65535;

/// The value whose relative distance to both ends [a, b) of a bin is the same: 2 a b / (a + b).
float logBinValue(size_t bin, float absmax) {
    if (bin == 0) return 0.0f;
    if (bin == kMagnitudeBins - 1) return absmax;
    const double a = std::bit_cast<float>((uint32_t(bin - 1) + kFirstMagnitude) << kMagnitudeShift);
    const double b = std::bit_cast<float>((uint32_t(bin) + kFirstMagnitude) << kMagnitudeShift);
    return std::min(float(2 * a * b / (a + b)), absmax);
}

} // namespace

void PercentileSelector::narrow(std::span<const uint32_t> values, Range& range, size_t low, size_t high,
                                uint32_t pivotA, uint32_t pivotB) {
    const BelowCounts counts = countBelow(values, pivotA, pivotB);
    for (const auto& [pivot, count] : {std::pair(pivotA, counts.a), std::pair(pivotB, counts.b)}) {
        if (count <= low && pivot > range.lo) {
            range.below = count;
            range.lo = pivot;
        } else if (count > high && pivot < range.hi) {
            range.end = count;
            range.hi = pivot;
        }
    }
}

PercentileSelector::Pair PercentileSelector::find(std::span<const uint32_t> values, Range range, size_t low,
                                                  size_t high, Guess& guess) {
    // `values` hold the ranks from `offset` on: everything below them has been left behind.
    size_t offset = range.below;
    const auto narrowTo = [&](uint32_t a, uint32_t b) {
        Range r{range.lo, range.hi, range.below - offset, range.end - offset};
        narrow(values, r, low - offset, high - offset, a, b);
        range = {r.lo, r.hi, r.below + offset, r.end + offset};
    };
    if (guess.at > 0 && values.size() > kFew) {
        const uint32_t reach = guess.spread * 4 + 1;
        narrowTo(guess.at > reach ? guess.at - reach : 0, std::min(guess.at + reach, kInfinityBits));
    }
    for (int round = 0, stuck = 0; range.size() > kFew && range.hi - range.lo > 1 && stuck < kStuck;
         ++round) {
        if (range.size() <= values.size() / 4) {
            kept_.resize(std::max(kept_.size(), range.size() + kSelectionSlack));
            keepRange(values, range.lo, range.hi, kept_.data());
            values = {kept_.data(), range.size()};
            offset = range.below;
        }
        const uint64_t width = range.hi - range.lo;
        uint64_t a = width / 3, b = width - a;
        if (round % 2 == 0) {
            // Where the ranks would be if the values were spread evenly, and a little beside.
            const uint64_t at = width * (low - range.below) / range.size(), margin = width / 16;
            a = at > margin ? at - margin : 0;
            b = at + margin;
        }
        a = std::clamp<uint64_t>(a, 1, width - 1);
        b = std::clamp(b, a, width - 1);
        narrowTo(range.lo + uint32_t(a), range.lo + uint32_t(b));
        stuck = uint64_t(range.hi - range.lo) * 8 <= width * 7 ? 0 : stuck + 1;
    }
    Pair found{range.lo, range.lo};
    if (range.hi - range.lo > 1) {
        kept_.resize(std::max(kept_.size(), range.size() + kSelectionSlack));
        keepRange(values, range.lo, range.hi, kept_.data());
        const auto begin = kept_.begin(), end = begin + ptrdiff_t(range.size());
        const auto at = begin + ptrdiff_t(low - range.below);
        std::nth_element(begin, at, end);
        found = {*at, high == low ? *at : *std::min_element(at + 1, end)};
    }
    const uint32_t error = found.low > guess.at ? found.low - guess.at : guess.at - found.low;
    guess = {found.low,
             guess.at == 0 ? 0 : guess.spread - guess.spread / 4 + std::min(error, kMostError) / 4};
    return found;
}

PercentileValues PercentileSelector::select(std::span<const uint32_t> magnitudes, size_t finite) {
    PercentileValues values{};
    if (finite == 0) return values;
    const Range everything{0, kInfinityBits, 0, finite};
    Range range = everything;
    std::span<const uint32_t> rest = magnitudes;
    for (size_t i = 0; i < kPercentiles.size(); ++i) {
        const Position at = position(finite, kPercentiles[i]);
        const Pair pair = find(rest, range, at.low, at.high, guesses_[i]);
        values[i] = interpolate(std::bit_cast<float>(pair.low), std::bit_cast<float>(pair.high), at.fraction);
        // What is below the second percentile is far the most, and not looked at again.
        if (i != 1 || pair.low == 0) continue;
        const size_t below = countBelow(rest, pair.low, pair.low).a;
        tail_.resize(std::max(tail_.size(), finite - below + kSelectionSlack));
        const size_t kept = keepRange(rest, pair.low, kInfinityBits, tail_.data());
        rest = {tail_.data(), kept};
        range = {pair.low, kInfinityBits, below, finite};
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

void TwoPassPercentiles::mergeFirst(const TwoPassPercentiles& other) {
    for (size_t b = 0; b < kCoarseBins; ++b)
        coarse_[b] += other.coarse_[b];
    zeros_ += other.zeros_;
}

void TwoPassPercentiles::prepareSecondLike(const TwoPassPercentiles& other) {
    slotOfBin_ = other.slotOfBin_;
    fine_.assign(other.fine_.size(), std::vector<uint64_t>(kFineBins));
}

void TwoPassPercentiles::mergeSecond(const TwoPassPercentiles& other) {
    assert(fine_.size() == other.fine_.size());
    for (size_t slot = 0; slot < fine_.size(); ++slot)
        for (size_t b = 0; b < kFineBins; ++b)
            fine_[slot][b] += other.fine_[slot][b];
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

MagnitudeCounts::MagnitudeCounts(size_t channels) : channels_(channels), counts_(channels * kMagnitudeBins) {}

MagnitudeCounts::MagnitudeCounts(const MatrixT<uint32_t>& counts)
    : channels_(counts.rows()), counts_(counts.data(), counts.data() + counts.size()) {
    assert(counts.cols() == kMagnitudeBins);
}

void MagnitudeCounts::addRows(ConstMatrixView block) {
    assert(block.cols == channels_);
    constexpr size_t kAhead = 8; // rows lie too far apart for the processor to guess the next
    linalg::parallelFor((block.cols + kLogTile - 1) / kLogTile, 1, [&](size_t begin, size_t end) {
        for (size_t t = begin; t < end; ++t) {
            const size_t c0 = t * kLogTile, n = std::min(kLogTile, block.cols - c0);
            uint32_t* counts = counts_.data() + c0 * kMagnitudeBins;
            uint32_t largest = 0, bins[kLogTile];
            thread_local std::vector<uint16_t> near;
            for (size_t r0 = 0; r0 < block.rows; r0 += kLogRows) {
                const size_t end = std::min(block.rows, r0 + kLogRows);
                near.assign(n * kMagnitudeBins, 0);
                for (size_t r = r0; r < end; ++r) {
                    const float* x = block.row(r) + c0;
                    for (size_t c = 0; c < n && r + kAhead < block.rows; c += 16)
                        __builtin_prefetch(x + kAhead * block.stride + c);
                    largest = std::max(largest, magnitudeBinsOf(x, n, bins));
                    uint16_t* of = near.data();
                    for (size_t c = 0; c < n; ++c, of += kMagnitudeBins)
                        ++of[bins[c]];
                }
                for (size_t i = 0; i < near.size(); ++i)
                    counts[i] += near[i];
            }
            if (largest < kInfinityBits) continue;
            for (size_t r = 0; r < block.rows; ++r) // seldom: what must not count is taken away again
                for (size_t c = 0; c < n; ++c)
                    counts[c * kMagnitudeBins + kMagnitudeBins - 1] -=
                        magnitudeBits(block(r, c0 + c)) >= kInfinityBits;
        }
    });
}

void MagnitudeCounts::merge(const MagnitudeCounts& other) {
    assert(other.channels_ == channels_);
    for (size_t i = 0; i < counts_.size(); ++i)
        counts_[i] += other.counts_[i];
}

PercentileValues MagnitudeCounts::percentiles(size_t channel, float absmax) const {
    PercentileValues values{};
    const std::span<const uint32_t> counts(counts_.data() + channel * kMagnitudeBins, kMagnitudeBins);
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
