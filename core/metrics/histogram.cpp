// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/histogram.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/metrics/histogram.cpp"
#include <hwy/foreach_target.h> // compiles this file once per instruction set
#include <hwy/highway.h>

#ifndef QS_METRICS_HISTOGRAM_ONCE
#define QS_METRICS_HISTOGRAM_ONCE
namespace qs {
struct BinScale {
    double lo, hi, binsPerUnit, margin;
};
} // namespace qs
#endif

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Bins of whole vectors of values; -1 where the arithmetic does not decide. Returns how many values were
/// done.
size_t BinIndices(const float* x, size_t n, const BinScale& s, int32_t* index) {
    const hn::ScalableTag<double> d;
    const hn::Rebind<float, decltype(d)> df;
    const hn::Rebind<int32_t, decltype(d)> di;
    const size_t lanes = hn::Lanes(d);
    const auto lo = hn::Set(d, s.lo), hi = hn::Set(d, s.hi), perUnit = hn::Set(d, s.binsPerUnit);
    const auto margin = hn::Set(d, s.margin), rest = hn::Set(d, 1.0 - s.margin), none = hn::Set(d, -1.0);
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        const auto v = hn::PromoteTo(d, hn::LoadU(df, x + i));
        const auto t = hn::Mul(hn::Sub(v, lo), perUnit), bin = hn::Floor(t), part = hn::Sub(t, bin);
        const auto inside = hn::And(hn::Ge(v, lo), hn::Le(v, hi)); // false for NaN
        const auto sure = hn::And(inside, hn::And(hn::Gt(part, margin), hn::Lt(part, rest)));
        hn::StoreU(hn::DemoteTo(di, hn::IfThenElse(sure, bin, none)), di, index + i);
    }
    return i;
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {

HWY_EXPORT(BinIndices);

namespace {
constexpr size_t kChunk = 1024;
}

HistogramFiller::HistogramFiller(double lo, double hi, size_t bins) : bins_(equalBins(lo, hi, bins)) {
    histogram_.lo = lo;
    histogram_.hi = hi;
    histogram_.counts.assign(bins, 0);
    if (hi > lo) {
        // A few roundings of x - lo, of the product and of the edge, each relative to the larger of its
        // terms.
        margin_ = std::ldexp(std::max(std::fabs(lo), std::fabs(hi)) * bins_.perUnit + double(bins), -48);
    }
}

void HistogramFiller::addOne(float value) {
    const double x = value;
    if (bins_.holds(x))
        ++histogram_.counts[bins_.indexOf(x)];
    else
        ++(!std::isfinite(value) ? histogram_.notFinite : x < bins_.lo ? histogram_.below : histogram_.above);
}

void HistogramFiller::add(std::span<const float> values) {
    int32_t index[kChunk];
    const BinScale scale{bins_.lo, bins_.hi, bins_.perUnit, margin_};
    for (size_t first = 0; first < values.size(); first += kChunk) {
        const auto part = values.subspan(first, std::min(kChunk, values.size() - first));
        const size_t done = HWY_DYNAMIC_DISPATCH(BinIndices)(part.data(), part.size(), scale, index);
        for (size_t i = 0; i < done; ++i) {
            if (index[i] >= 0)
                ++histogram_.counts[size_t(index[i])];
            else
                addOne(part[i]);
        }
        for (size_t i = done; i < part.size(); ++i)
            addOne(part[i]);
    }
}

void HistogramFiller::merge(const HistogramFiller& other) {
    assert(other.histogram_.counts.size() == histogram_.counts.size());
    for (size_t i = 0; i < histogram_.counts.size(); ++i)
        histogram_.counts[i] += other.histogram_.counts[i];
    histogram_.below += other.histogram_.below;
    histogram_.above += other.histogram_.above;
    histogram_.notFinite += other.histogram_.notFinite;
}

Histogram histogram(std::span<const float> values, double lo, double hi, size_t bins) {
    HistogramFiller filler(lo, hi, bins);
    filler.add(values);
    return filler.result();
}

} // namespace qs
#endif // HWY_ONCE
