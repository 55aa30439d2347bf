// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/grid_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/linalg/grid_kernels.cpp"
#include <hwy/foreach_target.h> // compiles this file once per instruction set

#include <algorithm>
#include <cassert>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template<class D>
HWY_INLINE void RoundLanes(D d, const float* values, const float* scale, const float* zero, float maxCode,
                           uint8_t* codes, float* out) {
    const auto s = hn::LoadU(d, scale), z = hn::LoadU(d, zero);
    const auto q = hn::Min(hn::Max(hn::Add(hn::Round(hn::Div(hn::LoadU(d, values), s)), z), hn::Zero(d)),
                           hn::Set(d, maxCode));
    hn::StoreU(hn::Mul(s, hn::Sub(q, z)), d, out);
    HWY_ALIGN int32_t whole[HWY_MAX_BYTES / sizeof(int32_t)];
    const hn::RebindToSigned<D> di;
    hn::Store(hn::ConvertTo(di, q), di, whole);
    for (size_t i = 0; i < hn::Lanes(d); ++i)
        codes[i] = uint8_t(whole[i]);
}

void RoundToGrid(const float* values, size_t n, const float* scale, const float* zero, float maxCode,
                 uint8_t* codes, float* out) {
    const hn::ScalableTag<float> d;
    const hn::CappedTag<float, 1> one;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        RoundLanes(d, values + i, scale + i, zero + i, maxCode, codes + i, out + i);
    for (; i < n; ++i)
        RoundLanes(one, values + i, scale + i, zero + i, maxCode, codes + i, out + i);
}

/// Where x lies on a uniform grid, as a code that is not rounded yet.
template<class D>
HWY_INLINE hn::Vec<D> BetweenCodes(D d, hn::Vec<D> x, float offset, float inverse, float centre, float last) {
    const auto moved = hn::Mul(hn::Add(x, hn::Set(d, offset)), hn::Set(d, inverse));
    return hn::Min(hn::Max(hn::Add(moved, hn::Set(d, centre)), hn::Zero(d)), hn::Set(d, last));
}

void RoundUniform(const float* values, size_t n, float offset, float inverse, float centre, float last,
                  uint8_t* codes) {
    const hn::ScalableTag<float> d;
    const hn::Rebind<uint8_t, decltype(d)> bytes;
    const hn::CappedTag<float, 1> one;
    const size_t lanes = hn::Lanes(d);
    const auto nearest = [&](auto tag, size_t i) {
        return hn::NearestInt(BetweenCodes(tag, hn::LoadU(tag, values + i), offset, inverse, centre, last));
    };
    size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        hn::StoreU(hn::DemoteTo(bytes, nearest(d, i)), bytes, codes + i);
    for (; i < n; ++i)
        codes[i] = uint8_t(hn::GetLane(nearest(one, i)));
}

void DecodeUniform(const uint8_t* codes, size_t n, float scale, float centre, float offset, float* out) {
    const hn::ScalableTag<float> d;
    const hn::RebindToSigned<decltype(d)> whole;
    const hn::Rebind<uint8_t, decltype(d)> bytes;
    const size_t lanes = hn::Lanes(d);
    const auto s = hn::Set(d, scale), c = hn::Set(d, centre), m = hn::Set(d, offset);
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        const auto code = hn::ConvertTo(d, hn::PromoteTo(whole, hn::LoadU(bytes, codes + i)));
        hn::StoreU(hn::Sub(hn::Mul(s, hn::Sub(code, c)), m), d, out + i);
    }
    for (; i < n; ++i)
        out[i] = scale * (float(codes[i]) - centre) - offset;
}

/// Calls use(v, x, w), in float64, for the group's values, as many at a time as there are lanes.
template<class D, class Use>
HWY_INLINE void ForGroup(D dd, const UniformGroup& g, const Use& use) {
    const hn::Rebind<float, D> d;
    const auto centre = hn::Set(d, g.centre);
    const auto pass = [&](const auto& weightAt) {
        for (size_t i = 0; i < g.n; i += hn::Lanes(dd)) { // whole multiples
            const auto x = hn::LoadU(d, g.values + i);
            const auto code = hn::Round(BetweenCodes(d, x, g.offset, g.inverse, g.centre, g.last));
            use(hn::PromoteTo(dd, hn::Sub(code, centre)), hn::PromoteTo(dd, x), weightAt(i));
        }
    };
    if (g.weights)
        pass([&](size_t i) { return hn::PromoteTo(dd, hn::LoadU(d, g.weights + i)); });
    else
        pass([&](size_t) { return hn::Set(dd, 1.0); });
}

template<class D, class V>
HWY_INLINE V WeightedSquare(D, V w, V e) {
    return hn::Mul(hn::Mul(w, e), e);
}

double UniformErrorOf(const UniformGroup& g, float scale, float offset) {
    const hn::CappedTag<double, 8> dd;
    const auto s = hn::Set(dd, double(scale)), m = hn::Set(dd, double(offset));
    auto sum = hn::Zero(dd);
    ForGroup(dd, g, [&](auto v, auto x, auto w) {
        sum = hn::Add(sum, WeightedSquare(dd, w, hn::Sub(hn::Sub(hn::Mul(s, v), m), x)));
    });
    return hn::GetLane(hn::SumOfLanes(dd, sum));
}

UniformSums UniformSumsOf(const UniformGroup& g, float scale, float offset) {
    const hn::CappedTag<double, 8> dd;
    const auto s = hn::Set(dd, double(scale)), m = hn::Set(dd, double(offset));
    auto sw = hn::Zero(dd), sv = sw, svv = sw, sx = sw, svx = sw, error = sw;
    ForGroup(dd, g, [&](auto v, auto x, auto w) {
        const auto wv = hn::Mul(w, v);
        sw = hn::Add(sw, w);
        sv = hn::Add(sv, wv);
        svv = hn::Add(svv, hn::Mul(wv, v));
        sx = hn::Add(sx, hn::Mul(w, x));
        svx = hn::Add(svx, hn::Mul(wv, x));
        error = hn::Add(error, WeightedSquare(dd, w, hn::Sub(hn::Sub(hn::Mul(s, v), m), x)));
    });
    const auto total = [&](auto lanes) { return hn::GetLane(hn::SumOfLanes(dd, lanes)); };
    return {total(sw), total(sv), total(svv), total(sx), total(svx), total(error)};
}

MinMax MinMaxOf(const float* values, size_t n) {
    const hn::ScalableTag<float> d;
    const size_t lanes = hn::Lanes(d);
    auto low = hn::Set(d, values[0]), high = low;
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        const auto v = hn::LoadU(d, values + i);
        low = hn::Min(low, v);
        high = hn::Max(high, v);
    }
    MinMax found{hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high))};
    for (; i < n; ++i)
        found = {std::min(found.min, values[i]), std::max(found.max, values[i])};
    return found;
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {
HWY_EXPORT(RoundToGrid);
HWY_EXPORT(RoundUniform);
HWY_EXPORT(DecodeUniform);
HWY_EXPORT(UniformErrorOf);
HWY_EXPORT(UniformSumsOf);
HWY_EXPORT(MinMaxOf);

void roundToGrid(const float* values, size_t n, const float* scale, const float* zero, float maxCode,
                 uint8_t* codes, float* out) {
    HWY_DYNAMIC_DISPATCH(RoundToGrid)(values, n, scale, zero, maxCode, codes, out);
}
void roundUniform(const float* values, size_t n, float offset, float inverse, float centre, float last,
                  uint8_t* codes) {
    HWY_DYNAMIC_DISPATCH(RoundUniform)(values, n, offset, inverse, centre, last, codes);
}
void decodeUniform(const uint8_t* codes, size_t n, float scale, float centre, float offset, float* out) {
    HWY_DYNAMIC_DISPATCH(DecodeUniform)(codes, n, scale, centre, offset, out);
}
double uniformError(const UniformGroup& group, float scale, float offset) {
    assert(group.n % 16 == 0);
    return HWY_DYNAMIC_DISPATCH(UniformErrorOf)(group, scale, offset);
}
UniformSums uniformSums(const UniformGroup& group, float scale, float offset) {
    assert(group.n % 16 == 0);
    return HWY_DYNAMIC_DISPATCH(UniformSumsOf)(group, scale, offset);
}
MinMax minMaxOf(const float* values, size_t n) {
    return HWY_DYNAMIC_DISPATCH(MinMaxOf)(values, n);
}

} // namespace qs
#endif
