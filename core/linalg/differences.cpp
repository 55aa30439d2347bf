// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/differences.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/linalg/differences.cpp"
#include <hwy/foreach_target.h> // compiles this file once per instruction set

#include <algorithm>
#include <cmath>
#include <hwy/highway.h>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Sums of lanes of float64, half of a vector of float32 each.
template<class DD>
struct Lanes {
    explicit Lanes(DD dd) : squares(hn::Zero(dd)), reference(hn::Zero(dd)) {}
    hn::Vec<DD> squares, reference;

    template<class V>
    HWY_INLINE void add(DD dd, V a, V difference) {
        const auto d = hn::PromoteTo(dd, difference), w = hn::PromoteTo(dd, a);
        squares = hn::MulAdd(d, d, squares);
        reference = hn::MulAdd(w, w, reference);
    }
};

DifferenceSums SumDifferences(const float* a, const float* b, size_t n, float* difference) {
    const hn::ScalableTag<double> dd;
    const hn::Rebind<float, decltype(dd)> d; // as many lanes
    const size_t lanes = hn::Lanes(d);
    Lanes<decltype(dd)> one(dd), two(dd); // which do not wait for each other
    auto most = hn::Zero(d);
    size_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
        const auto x = hn::LoadU(d, a + i), y = hn::LoadU(d, a + i + lanes);
        const auto p = hn::Sub(x, hn::LoadU(d, b + i)), q = hn::Sub(y, hn::LoadU(d, b + i + lanes));
        if (difference) {
            hn::StoreU(p, d, difference + i);
            hn::StoreU(q, d, difference + i + lanes);
        }
        one.add(dd, x, p);
        two.add(dd, y, q);
        most = hn::Max(most, hn::Max(hn::Abs(p), hn::Abs(q)));
    }
    DifferenceSums out;
    out.squares = hn::GetLane(hn::SumOfLanes(dd, hn::Add(one.squares, two.squares)));
    out.reference = hn::GetLane(hn::SumOfLanes(dd, hn::Add(one.reference, two.reference)));
    out.most = hn::GetLane(hn::MaxOfLanes(d, most));
    for (; i < n; ++i) {
        const float p = a[i] - b[i];
        if (difference) difference[i] = p;
        out.squares += double(p) * double(p);
        out.reference += double(a[i]) * double(a[i]);
        out.most = std::max(out.most, std::fabs(p));
    }
    if (std::isnan(out.squares)) out.most = std::numeric_limits<float>::quiet_NaN(); // Max may lose it
    return out;
}

template<class T>
HWY_INLINE size_t notFinite(const T* x, size_t n) {
    const hn::ScalableTag<T> d;
    const size_t lanes = hn::Lanes(d);
    const auto infinity = hn::Set(d, std::numeric_limits<T>::infinity());
    size_t i = 0, count = 0;
    for (; i + lanes <= n; i += lanes)
        count += lanes - hn::CountTrue(d, hn::Lt(hn::Abs(hn::LoadU(d, x + i)), infinity));
    for (; i < n; ++i)
        count += std::isfinite(x[i]) ? 0 : 1;
    return count;
}

size_t CountNotFinite(const float* x, size_t n) {
    return notFinite(x, n);
}
size_t CountNotFiniteDoubles(const double* x, size_t n) {
    return notFinite(x, n);
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {
HWY_EXPORT(SumDifferences);
HWY_EXPORT(CountNotFinite);
HWY_EXPORT(CountNotFiniteDoubles);

DifferenceSums sumDifferences(const float* a, const float* b, size_t n, float* difference) {
    return HWY_DYNAMIC_DISPATCH(SumDifferences)(a, b, n, difference);
}
size_t countNotFinite(const float* x, size_t n) {
    return HWY_DYNAMIC_DISPATCH(CountNotFinite)(x, n);
}
size_t countNotFinite(const double* x, size_t n) {
    return HWY_DYNAMIC_DISPATCH(CountNotFiniteDoubles)(x, n);
}

} // namespace qs
#endif
