// SPDX-License-Identifier: Apache-2.0
// How sums and percentiles become a ChannelStats.
#pragma once

#include "core/metrics/channel_stats.h"

namespace qs {

/// Zeros for `channels` channels of `samples` values.
ChannelStats emptyChannelStats(size_t channels, uint64_t samples);
/// Everything but the percentiles: the channels of `sums` become those from `first` on.
void fillMoments(ChannelStats& stats, const ChannelSums& sums, size_t first = 0);
void fillPercentiles(ChannelStats& stats, size_t channel, const PercentileValues& values);

} // namespace qs
