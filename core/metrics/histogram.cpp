// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/histogram.h"

#include <cmath>
#include <limits>

namespace qs {

HistogramFiller::HistogramFiller(double lo, double hi, size_t bins) : edges_(bins + 1) {
    histogram_.lo = lo;
    histogram_.hi = hi;
    histogram_.counts.assign(bins, 0);
    if (hi > lo) binsPerUnit_ = std::min(double(bins) / (hi - lo), std::numeric_limits<double>::max());
    for (size_t i = 0; i < bins; ++i)
        edges_[i] = lo + double(i) * ((hi - lo) / double(bins));
    edges_[bins] = hi;
}

void HistogramFiller::add(std::span<const float> values) {
    const double lo = histogram_.lo, hi = histogram_.hi;
    const double last = double(histogram_.counts.size() - 1);
    for (const float value : values) {
        const double x = value;
        if (!(x >= lo && x <= hi)) {
            if (!std::isfinite(value))
                ++histogram_.notFinite;
            else
                ++(x < lo ? histogram_.below : histogram_.above);
            continue;
        }
        if (lo == hi) {
            ++histogram_.counts[0];
            continue;
        }
        size_t i = size_t(std::min((x - lo) * binsPerUnit_, last));
        // The product may land one bin beside the edge that the bins are defined by.
        if (x < edges_[i])
            --i;
        else if (x >= edges_[i + 1] && double(i) < last)
            ++i;
        ++histogram_.counts[i];
    }
}

Histogram histogram(std::span<const float> values, double lo, double hi, size_t bins) {
    HistogramFiller filler(lo, hi, bins);
    filler.add(values);
    return filler.result();
}

} // namespace qs
