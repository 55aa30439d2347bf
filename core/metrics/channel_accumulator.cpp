// SPDX-License-Identifier: Apache-2.0
#include "core/backend/sums.h"
#include "core/metrics/channel_fill.h"

namespace qs {

ChannelStats emptyChannelStats(size_t channels, uint64_t samples) {
    ChannelStats s;
    for (auto* v : {&s.min, &s.max, &s.absmax, &s.mean, &s.stddev, &s.kurtosis, &s.p50, &s.p99, &s.p999})
        v->assign(channels, 0.0f);
    s.samples = samples;
    return s;
}

void fillMoments(ChannelStats& stats, const ChannelSums& sums, size_t first) {
    for (size_t i = 0; i < sums.channels(); ++i) {
        const Moments m = sums.moments(i);
        const size_t c = first + i;
        stats.min[c] = sums.min(i);
        stats.max[c] = sums.max(i);
        stats.absmax[c] = sums.absmax(i);
        stats.mean[c] = float(m.mean);
        stats.stddev[c] = float(m.stddev());
        stats.kurtosis[c] = float(m.kurtosis());
    }
}

void fillPercentiles(ChannelStats& stats, size_t channel, const PercentileValues& values) {
    stats.p50[channel] = values[0];
    stats.p99[channel] = values[1];
    stats.p999[channel] = values[2];
}

ChannelAccumulator::ChannelAccumulator(size_t channels) : sums_(channels), magnitudes_(channels) {}

void ChannelAccumulator::add(ConstMatrixView block) {
    samples_ += block.rows;
    sums_.addRows(block);
    magnitudes_.addRows(block);
}

void ChannelAccumulator::merge(std::span<const float> shift, uint64_t tokens, const TallySums& tally) {
    samples_ += tokens;
    sums_.merge(ChannelSums(shift, tokens, tally.columns));
    magnitudes_.merge(MagnitudeCounts(tally.magnitudes));
}

void ChannelAccumulator::merge(const ChannelAccumulator& other) {
    samples_ += other.samples_;
    sums_.merge(other.sums_);
    magnitudes_.merge(other.magnitudes_);
}

ChannelStats ChannelAccumulator::result() const {
    ChannelStats stats = emptyChannelStats(sums_.channels(), samples_);
    stats.exactPercentiles = false;
    fillMoments(stats, sums_);
    for (size_t c = 0; c < sums_.channels(); ++c)
        fillPercentiles(stats, c, magnitudes_.percentiles(c, stats.absmax[c]));
    return stats;
}

} // namespace qs
