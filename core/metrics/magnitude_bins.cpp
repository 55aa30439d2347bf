// SPDX-License-Identifier: Apache-2.0
// The kernel is compiled once per instruction set; the best one is chosen at the first call.
#include "core/metrics/magnitude_bins.h"

#include "core/linalg/elements.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/metrics/magnitude_bins.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// As magnitudeBin(), in signed integers: patterns without the sign are positive.
template<class D>
HWY_INLINE hn::Vec<D> binsOf(D d, hn::Vec<D> magnitude) {
    constexpr auto kBelow = int32_t(kFirstMagnitude) - 1, kLast = kBelow + int32_t(kInnerMagnitudes) + 1;
    const auto leading = hn::ShiftRight<kMagnitudeShift>(magnitude);
    return hn::Sub(hn::Min(hn::Max(leading, hn::Set(d, kBelow)), hn::Set(d, kLast)), hn::Set(d, kBelow));
}

uint32_t MagnitudeBinsOf(const float* x, size_t n, uint32_t* bins) {
    const hn::ScalableTag<int32_t> d;
    const hn::CappedTag<int32_t, 1> one;
    const size_t lanes = hn::Lanes(d);
    const auto* from = reinterpret_cast<const int32_t*>(x);
    auto* to = reinterpret_cast<int32_t*>(bins);
    auto most = hn::Zero(d);
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        const auto magnitude = hn::And(hn::LoadU(d, from + i), hn::Set(d, 0x7fffffff));
        most = hn::Max(most, magnitude);
        hn::StoreU(binsOf(d, magnitude), d, to + i);
    }
    auto rest = hn::Set(one, hn::GetLane(hn::MaxOfLanes(d, most)));
    for (; i < n; ++i) {
        const auto magnitude = hn::And(hn::LoadU(one, from + i), hn::Set(one, 0x7fffffff));
        rest = hn::Max(rest, magnitude);
        hn::StoreU(binsOf(one, magnitude), one, to + i);
    }
    return uint32_t(hn::GetLane(rest));
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {

HWY_EXPORT(MagnitudeBinsOf);

uint32_t magnitudeBinsOf(const float* x, size_t n, uint32_t* bins) {
    return HWY_DYNAMIC_DISPATCH(MagnitudeBinsOf)(x, n, bins);
}

} // namespace qs
#endif
