// SPDX-License-Identifier: Apache-2.0
// Filling a Histogram block by block.
#pragma once

#include "core/metrics/channel_stats.h"

namespace qs {

/// lo <= hi, finite; bins >= 1. Not thread-safe.
class HistogramFiller {
public:
    HistogramFiller(double lo, double hi, size_t bins);
    void add(std::span<const float> values);
    const Histogram& result() const { return histogram_; }

private:
    Histogram histogram_;
    std::vector<double> edges_; ///< [bins + 1]
    double binsPerUnit_ = 0;
};

} // namespace qs
