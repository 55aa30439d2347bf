// SPDX-License-Identifier: Apache-2.0
// Filling a Histogram block by block.
#pragma once

#include "core/linalg/elements.h"
#include "core/metrics/channel_stats.h"

namespace qs {

/// lo <= hi, finite; bins >= 1. Not thread-safe.
class HistogramFiller {
public:
    HistogramFiller(double lo, double hi, size_t bins);
    void add(std::span<const float> values);
    /// The counts of another over the same bins.
    void merge(const HistogramFiller& other);
    const Histogram& result() const { return histogram_; }

private:
    void addOne(float value);

    Histogram histogram_;
    EqualBins bins_;
    double margin_ =
        1; ///< nearer to an edge than this, in bins, the product (x - lo) bins_.perUnit does not decide
};

} // namespace qs
