// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/selection.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/metrics/selection.cpp"
#include <hwy/foreach_target.h> // compiles this file once per instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace qs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Patterns have 31 bits, so signed comparison, the one that every instruction set has, orders them.
using DI = hn::ScalableTag<int32_t>;

const int32_t* asSigned(const uint32_t* p) {
    return reinterpret_cast<const int32_t*>(p);
}

BelowCounts CountBelow(const uint32_t* values, size_t n, uint32_t pivotA, uint32_t pivotB) {
    const DI d;
    const size_t lanes = hn::Lanes(d);
    const auto a = hn::Set(d, int32_t(pivotA)), b = hn::Set(d, int32_t(pivotB));
    // True lanes are -1. Two chains each, against the latency of the additions.
    auto a0 = hn::Zero(d), a1 = hn::Zero(d), b0 = hn::Zero(d), b1 = hn::Zero(d);
    size_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
        const auto x = hn::LoadU(d, asSigned(values + i)), y = hn::LoadU(d, asSigned(values + i + lanes));
        a0 = hn::Sub(a0, hn::VecFromMask(d, hn::Lt(x, a)));
        b0 = hn::Sub(b0, hn::VecFromMask(d, hn::Lt(x, b)));
        a1 = hn::Sub(a1, hn::VecFromMask(d, hn::Lt(y, a)));
        b1 = hn::Sub(b1, hn::VecFromMask(d, hn::Lt(y, b)));
    }
    BelowCounts counts{size_t(hn::GetLane(hn::SumOfLanes(d, hn::Add(a0, a1)))),
                       size_t(hn::GetLane(hn::SumOfLanes(d, hn::Add(b0, b1))))};
    for (; i < n; ++i) {
        counts.a += values[i] < pivotA;
        counts.b += values[i] < pivotB;
    }
    return counts;
}

void Magnitudes(const float* values, size_t n, uint32_t* out) {
    const hn::ScalableTag<uint32_t> d;
    const size_t lanes = hn::Lanes(d);
    const auto mask = hn::Set(d, 0x7fffffffu);
    const auto* patterns = reinterpret_cast<const uint32_t*>(values);
    size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        hn::StoreU(hn::And(hn::LoadU(d, patterns + i), mask), d, out + i);
    for (; i < n; ++i)
        out[i] = patterns[i] & 0x7fffffffu;
}

#if HWY_TARGET == HWY_SCALAR
constexpr size_t kSquare = 1;
void Square(const uint32_t* p, size_t, uint32_t* q, size_t) {
    *q = *p & 0x7fffffffu;
}
#else
// 4 x 4: what fits the 128-bit registers of every other machine.
constexpr size_t kSquare = 4;
HWY_INLINE void Square(const uint32_t* p, size_t fromStride, uint32_t* q, size_t stride) {
    const hn::FixedTag<uint32_t, 4> d;
    const hn::FixedTag<uint64_t, 2> pairs;
    const auto mask = hn::Set(d, 0x7fffffffu);
    const auto a = hn::LoadU(d, p), b = hn::LoadU(d, p + fromStride), e = hn::LoadU(d, p + 2 * fromStride),
               f = hn::LoadU(d, p + 3 * fromStride);
    const auto abLow = hn::BitCast(pairs, hn::InterleaveLower(d, a, b)),
               abHigh = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b)),
               efLow = hn::BitCast(pairs, hn::InterleaveLower(d, e, f)),
               efHigh = hn::BitCast(pairs, hn::InterleaveUpper(d, e, f));
    const auto store = [&](auto v, uint32_t* to) { hn::StoreU(hn::And(hn::BitCast(d, v), mask), d, to); };
    store(hn::InterleaveLower(pairs, abLow, efLow), q);
    store(hn::InterleaveUpper(pairs, abLow, efLow), q + stride);
    store(hn::InterleaveLower(pairs, abHigh, efHigh), q + 2 * stride);
    store(hn::InterleaveUpper(pairs, abHigh, efHigh), q + 3 * stride);
}
#endif

void Transposed(const float* from, size_t rows, size_t cols, size_t fromStride, uint32_t* out,
                size_t stride) {
    const auto* patterns = reinterpret_cast<const uint32_t*>(from);
    const size_t wholeRows = rows / kSquare * kSquare, wholeCols = cols / kSquare * kSquare;
    for (size_t r = 0; r < wholeRows; r += kSquare)
        for (size_t c = 0; c < wholeCols; c += kSquare)
            Square(patterns + r * fromStride + c, fromStride, out + c * stride + r, stride);
    for (size_t r = 0; r < rows; ++r)
        for (size_t c = r < wholeRows ? wholeCols : 0; c < cols; ++c)
            out[c * stride + r] = patterns[r * fromStride + c] & 0x7fffffffu;
}

} // namespace HWY_NAMESPACE
} // namespace qs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs {
HWY_EXPORT(CountBelow);
HWY_EXPORT(Magnitudes);
HWY_EXPORT(Transposed);

BelowCounts countBelow(std::span<const uint32_t> values, uint32_t pivotA, uint32_t pivotB) {
    return HWY_DYNAMIC_DISPATCH(CountBelow)(values.data(), values.size(), pivotA, pivotB);
}
size_t keepRange(std::span<const uint32_t> values, uint32_t lo, uint32_t hi, uint32_t* out) {
    // Without branches, one value at a time: Highway's Compress copies its table to the stack in every round
    // when g++ 12 compiles it, which made this several times slower.
    const uint32_t width = hi - lo;
    size_t kept = 0;
    for (const uint32_t v : values) {
        out[kept] = v;
        kept += v - lo < width;
    }
    return kept;
}
void magnitudes(std::span<const float> values, uint32_t* out) {
    HWY_DYNAMIC_DISPATCH(Magnitudes)(values.data(), values.size(), out);
}
void transposedMagnitudes(ConstMatrixView m, uint32_t* out, size_t stride) {
    HWY_DYNAMIC_DISPATCH(Transposed)(m.data, m.rows, m.cols, m.stride, out, stride);
}

} // namespace qs
#endif // HWY_ONCE
