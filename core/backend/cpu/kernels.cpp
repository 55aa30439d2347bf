// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cpu/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/backend/cpu/kernels.cpp"
#include <hwy/foreach_target.h> // compiles this file once per instruction set

#include <algorithm>
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace qs::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;

// Applies `op(i, lanes)` to full vectors and then to the tail with a shorter one.
template<class Op>
HWY_INLINE void forEachVector(size_t n, const Op& op) {
    const DF d;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        op(d, i);
    const hn::CappedTag<float, 1> one;
    for (; i < n; ++i)
        op(one, i);
}

void RmsNormRow(const float* x, const float* gain, double eps, float* y, size_t n) {
    const DF d;
    const size_t lanes = hn::Lanes(d);
    auto sum0 = hn::Zero(d), sum1 = hn::Zero(d);
    size_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
        const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + lanes);
        sum0 = hn::MulAdd(a, a, sum0);
        sum1 = hn::MulAdd(b, b, sum1);
    }
    double sum = double(hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1))));
    for (; i < n; ++i)
        sum += double(x[i]) * double(x[i]);
    const float scale = float(1.0 / std::sqrt(sum / double(n) + eps));
    forEachVector(n, [&](auto tag, size_t j) {
        hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(tag, x + j), hn::Set(tag, scale)), hn::LoadU(tag, gain + j)),
                   tag, y + j);
    });
}

void LayerNormRow(const float* x, const float* gain, const float* bias, double eps, float* y, size_t n) {
    const DF d;
    const size_t lanes = hn::Lanes(d), whole = n / lanes * lanes;
    auto sums = hn::Zero(d);
    for (size_t i = 0; i < whole; i += lanes)
        sums = hn::Add(sums, hn::LoadU(d, x + i));
    double sum = double(hn::GetLane(hn::SumOfLanes(d, sums)));
    for (size_t i = whole; i < n; ++i)
        sum += double(x[i]);
    const float mean = float(sum / double(n));
    auto squares = hn::Zero(d);
    for (size_t i = 0; i < whole; i += lanes) {
        const auto c = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean));
        squares = hn::MulAdd(c, c, squares);
    }
    double square = double(hn::GetLane(hn::SumOfLanes(d, squares)));
    for (size_t i = whole; i < n; ++i)
        square += double(x[i] - mean) * double(x[i] - mean);
    const float scale = float(1.0 / std::sqrt(square / double(n) + eps));
    forEachVector(n, [&](auto tag, size_t j) {
        const auto c = hn::Mul(hn::Sub(hn::LoadU(tag, x + j), hn::Set(tag, mean)), hn::Set(tag, scale));
        hn::StoreU(hn::MulAdd(c, hn::LoadU(tag, gain + j), hn::LoadU(tag, bias + j)), tag, y + j);
    });
}

// x / (1 + exp(-slope x)). exp overflows for x << 0: it is held at e^88, and x / e^88 is 0 to the last digit.
template<class D, class V>
HWY_INLINE V Logistic(D d, V x, V slopeTimesX) {
    const auto e = hn::Exp(d, hn::Min(hn::Neg(slopeTimesX), hn::Set(d, 88.0f)));
    return hn::Div(x, hn::Add(hn::Set(d, 1.0f), e));
}

// x Phi(x), with the tail 1 - Phi(|x|) by Abramowitz and Stegun 7.1.26 (absolute error of erf 1.5e-7). The
// tail multiplies x itself for x < 0, so nothing cancels there.
template<class D, class V>
HWY_INLINE V GeluErf(D d, V x) {
    const auto z = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678f)), one = hn::Set(d, 1.0f);
    const auto t = hn::Div(one, hn::MulAdd(hn::Set(d, 0.3275911f), z, one));
    auto p = hn::Set(d, 1.061405429f);
    for (const float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
        p = hn::MulAdd(p, t, hn::Set(d, c));
    const auto e = hn::Exp(d, hn::Max(hn::Neg(hn::Mul(z, z)), hn::Set(d, -88.0f)));
    const auto tail = hn::Mul(hn::Mul(hn::Mul(p, t), e), hn::Set(d, 0.5f));
    return hn::Mul(x, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail)));
}

// (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)).
template<class D, class V>
HWY_INLINE V GeluTanh(D d, V x) {
    const auto cubic = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(d, 0.044715f), x);
    return Logistic(d, x, hn::Mul(cubic, hn::Set(d, 1.5957691216f)));
}

template<class D, class V>
HWY_INLINE V Apply(Activation f, D d, V x) {
    switch (f) {
    case Activation::Silu:
        return Logistic(d, x, x);
    case Activation::GeluErf:
        return GeluErf(d, x);
    case Activation::GeluTanh:
        return GeluTanh(d, x);
    case Activation::QuickGelu:
        return Logistic(d, x, hn::Mul(x, hn::Set(d, 1.702f)));
    default:
        return hn::Max(x, hn::Zero(d));
    }
}

void ActivateRow(Activation f, float* x, size_t n) {
    forEachVector(n,
                  [&](auto tag, size_t i) { hn::StoreU(Apply(f, tag, hn::LoadU(tag, x + i)), tag, x + i); });
}

void ActivateMultiply(Activation f, float* gate, const float* up, size_t n) {
    forEachVector(n, [&](auto tag, size_t i) {
        hn::StoreU(hn::Mul(Apply(f, tag, hn::LoadU(tag, gate + i)), hn::LoadU(tag, up + i)), tag, gate + i);
    });
}

void SoftCapRow(float* x, float scale, float cap, size_t n) {
    forEachVector(n, [&](auto tag, size_t i) {
        const auto v = hn::Mul(hn::LoadU(tag, x + i), hn::Set(tag, scale / cap));
        hn::StoreU(hn::Mul(hn::Tanh(tag, v), hn::Set(tag, cap)), tag, x + i);
    });
}

void ScaleAddRow(float* x, float scale, const float* y, size_t n) {
    forEachVector(n, [&](auto tag, size_t i) {
        hn::StoreU(hn::MulAdd(hn::LoadU(tag, x + i), hn::Set(tag, scale), hn::LoadU(tag, y + i)), tag, x + i);
    });
}

void AddScaledRow(float* x, float weight, const float* y, size_t n) {
    forEachVector(n, [&](auto tag, size_t i) {
        hn::StoreU(hn::MulAdd(hn::LoadU(tag, y + i), hn::Set(tag, weight), hn::LoadU(tag, x + i)), tag,
                   x + i);
    });
}

void SoftmaxRow(float* x, float scale, size_t n) {
    const DF d;
    const size_t lanes = hn::Lanes(d), whole = n / lanes * lanes;
    auto tops = hn::Set(d, x[0]);
    for (size_t i = 0; i < whole; i += lanes)
        tops = hn::Max(tops, hn::LoadU(d, x + i));
    float top = hn::GetLane(hn::MaxOfLanes(d, tops));
    for (size_t i = whole; i < n; ++i)
        top = std::max(top, x[i]);
    const auto exponential = [&](auto tag, size_t i) {
        const auto v = hn::Mul(hn::Sub(hn::LoadU(tag, x + i), hn::Set(tag, top)), hn::Set(tag, scale));
        const auto e = hn::Exp(tag, v);
        hn::StoreU(e, tag, x + i);
        return e;
    };
    auto sums = hn::Zero(d);
    for (size_t i = 0; i < whole; i += lanes)
        sums = hn::Add(sums, exponential(d, i));
    double sum = double(hn::GetLane(hn::SumOfLanes(d, sums)));
    const hn::CappedTag<float, 1> one;
    for (size_t i = whole; i < n; ++i)
        sum += double(hn::GetLane(exponential(one, i)));
    const float inverse = float(1.0 / sum);
    forEachVector(n, [&](auto tag, size_t i) {
        hn::StoreU(hn::Mul(hn::LoadU(tag, x + i), hn::Set(tag, inverse)), tag, x + i);
    });
}

void RopeHead(float* x, const float* cosine, const float* sine, size_t half) {
    forEachVector(half, [&](auto tag, size_t i) {
        const auto a = hn::LoadU(tag, x + i), b = hn::LoadU(tag, x + i + half);
        const auto c = hn::LoadU(tag, cosine + i), s = hn::LoadU(tag, sine + i);
        hn::StoreU(hn::Sub(hn::Mul(a, c), hn::Mul(b, s)), tag, x + i);
        hn::StoreU(hn::Add(hn::Mul(b, c), hn::Mul(a, s)), tag, x + i + half);
    });
}

void AddRow(float* x, const float* y, size_t n) {
    forEachVector(n, [&](auto tag, size_t i) {
        hn::StoreU(hn::Add(hn::LoadU(tag, x + i), hn::LoadU(tag, y + i)), tag, x + i);
    });
}

// Rows are solved 64 at a time in a compact copy: the matrix's own columns lie a large power of two apart,
// and would evict each other from the caches.
constexpr size_t kGptqRows = 64;
// Columns whose errors go to those behind them together: a column is read and written once for all of them.
constexpr size_t kGptqPanel = 8;

struct GptqTile {
    explicit GptqTile(size_t columns) : weight(columns * kGptqRows) {}
    std::vector<float> weight; ///< [columns, kGptqRows]
};

/// What a column of a tile reads and writes beside its weights, kGptqRows values each.
struct GptqPlaces {
    const float *scale, *zero, *original;
    float *change, *error;
    uint8_t* code;
};

/// Those of a tile that reaches beyond the last row: it computes harmless numbers there.
struct GptqEdge {
    HWY_ALIGN float scale[kGptqRows], zero[kGptqRows], original[kGptqRows], change[kGptqRows];
    HWY_ALIGN float errors[kGptqPanel][kGptqRows]; ///< of a panel's columns
    HWY_ALIGN uint8_t code[kGptqRows];

    GptqEdge() {
        std::fill_n(scale, kGptqRows, 1.0f);
        std::fill_n(zero, kGptqRows, 0.0f);
        std::fill_n(original, kGptqRows, 0.0f);
    }
    GptqPlaces load(const GptqColumns& b, size_t i, size_t first, size_t rows) {
        std::copy_n(b.scale.row(i) + first, rows, scale);
        std::copy_n(b.zero.row(i) + first, rows, zero);
        std::copy_n(b.original.row(i) + first, rows, original);
        return {scale, zero, original, change, errors[i % kGptqPanel], code};
    }
    void store(const GptqColumns& b, size_t i, size_t first, size_t rows) const {
        std::copy_n(errors[i % kGptqPanel], rows, b.error.row(i) + first);
        std::copy_n(change, rows, b.change.row(i) + first);
        std::copy_n(code, rows, b.codes.row(i) + first);
    }
};

GptqPlaces PlacesOf(const GptqColumns& b, size_t i, size_t first) {
    return {b.scale.row(i) + first,  b.zero.row(i) + first,  b.original.row(i) + first,
            b.change.row(i) + first, b.error.row(i) + first, b.codes.row(i) + first};
}

// Column i of the recursion: nearest codes, scaled errors, update of the panel's later columns, up to `end`.
void GptqColumn(const GptqColumns& b, size_t i, size_t end, const GptqPlaces& at, GptqTile& t) {
    const hn::CappedTag<float, kGptqRows> d;
    const hn::RebindToSigned<decltype(d)> whole;
    const hn::Rebind<uint8_t, decltype(d)> bytes;
    const size_t lanes = hn::Lanes(d);
    const auto maxCode = hn::Set(d, float(b.maxCode)), pivot = hn::Set(d, b.factor(i, i));
    float* own = t.weight.data() + i * kGptqRows;
    for (size_t r = 0; r < kGptqRows; r += lanes) {
        const auto w = hn::LoadU(d, own + r), scale = hn::LoadU(d, at.scale + r),
                   zero = hn::LoadU(d, at.zero + r);
        const auto q = hn::Min(hn::Max(hn::Add(hn::Round(hn::Div(w, scale)), zero), hn::Zero(d)), maxCode);
        hn::StoreU(hn::DemoteTo(bytes, hn::ConvertTo(whole, q)), bytes, at.code + r);
        const auto value = hn::Mul(scale, hn::Sub(q, zero));
        hn::StoreU(hn::Sub(hn::LoadU(d, at.original + r), value), d, at.change + r);
        hn::StoreU(hn::Div(hn::Sub(w, value), pivot), d, at.error + r);
    }
    const float* factor = b.factor.row(i);
    for (size_t j = i + 1; j < end; ++j) {
        const auto f = hn::Set(d, factor[j]);
        float* later = t.weight.data() + j * kGptqRows;
        for (size_t r = 0; r < kGptqRows; r += lanes)
            hn::StoreU(hn::NegMulAdd(f, hn::LoadU(d, at.error + r), hn::LoadU(d, later + r)), d, later + r);
    }
}

// What the errors of the panel from column `first` on do to the columns behind it, in the order of the
// columns.
void GptqPanel(const GptqColumns& b, size_t first, const float* const* errors, GptqTile& t) {
    const hn::CappedTag<float, kGptqRows> d;
    const size_t lanes = hn::Lanes(d);
    const float* factor[kGptqPanel];
    for (size_t k = 0; k < kGptqPanel; ++k)
        factor[k] = b.factor.row(first + k);
    for (size_t r = 0; r < kGptqRows; r += lanes) {
        const auto e0 = hn::LoadU(d, errors[0] + r), e1 = hn::LoadU(d, errors[1] + r),
                   e2 = hn::LoadU(d, errors[2] + r), e3 = hn::LoadU(d, errors[3] + r),
                   e4 = hn::LoadU(d, errors[4] + r), e5 = hn::LoadU(d, errors[5] + r),
                   e6 = hn::LoadU(d, errors[6] + r), e7 = hn::LoadU(d, errors[7] + r);
        for (size_t j = first + kGptqPanel; j < b.weight.rows; ++j) {
            float* later = t.weight.data() + j * kGptqRows + r;
            auto w = hn::NegMulAdd(hn::Set(d, factor[0][j]), e0, hn::LoadU(d, later));
            w = hn::NegMulAdd(hn::Set(d, factor[1][j]), e1, w);
            w = hn::NegMulAdd(hn::Set(d, factor[2][j]), e2, w);
            w = hn::NegMulAdd(hn::Set(d, factor[3][j]), e3, w);
            w = hn::NegMulAdd(hn::Set(d, factor[4][j]), e4, w);
            w = hn::NegMulAdd(hn::Set(d, factor[5][j]), e5, w);
            w = hn::NegMulAdd(hn::Set(d, factor[6][j]), e6, w);
            w = hn::NegMulAdd(hn::Set(d, factor[7][j]), e7, w);
            hn::StoreU(w, d, later);
        }
    }
}

void GptqRows(const GptqColumns& b, size_t firstRow, size_t count) {
    const size_t n = b.weight.rows;
    GptqTile t(n);
    GptqEdge edge;
    for (size_t first = firstRow; first < firstRow + count; first += kGptqRows) {
        const size_t rows = std::min(kGptqRows, firstRow + count - first);
        const bool whole = rows == kGptqRows;
        for (size_t j = 0; j < n; ++j)
            std::copy_n(b.weight.row(j) + first, rows, t.weight.data() + j * kGptqRows);
        const float* errors[kGptqPanel];
        for (size_t i = 0; i < n; ++i) {
            const size_t inPanel = i % kGptqPanel, end = std::min(n, i - inPanel + kGptqPanel);
            const GptqPlaces at = whole ? PlacesOf(b, i, first) : edge.load(b, i, first, rows);
            errors[inPanel] = at.error;
            GptqColumn(b, i, end, at, t);
            if (i + 1 == end && end < n) GptqPanel(b, end - kGptqPanel, errors, t);
            if (!whole) edge.store(b, i, first, rows);
        }
    }
}

const char* InstructionSet() {
    return hwy::TargetName(HWY_TARGET);
}

} // namespace HWY_NAMESPACE
} // namespace qs::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qs::cpu {
HWY_EXPORT(RmsNormRow);
HWY_EXPORT(LayerNormRow);
HWY_EXPORT(ActivateRow);
HWY_EXPORT(ActivateMultiply);
HWY_EXPORT(SoftCapRow);
HWY_EXPORT(ScaleAddRow);
HWY_EXPORT(AddScaledRow);
HWY_EXPORT(SoftmaxRow);
HWY_EXPORT(RopeHead);
HWY_EXPORT(AddRow);
HWY_EXPORT(GptqRows);
HWY_EXPORT(InstructionSet);

void rmsNormRow(const float* x, const float* gain, double eps, float* y, size_t n) {
    HWY_DYNAMIC_DISPATCH(RmsNormRow)(x, gain, eps, y, n);
}
void layerNormRow(const float* x, const float* gain, const float* bias, double eps, float* y, size_t n) {
    HWY_DYNAMIC_DISPATCH(LayerNormRow)(x, gain, bias, eps, y, n);
}
void activateRow(Activation f, float* x, size_t n) {
    HWY_DYNAMIC_DISPATCH(ActivateRow)(f, x, n);
}
void activateMultiply(Activation f, float* gate, const float* up, size_t n) {
    HWY_DYNAMIC_DISPATCH(ActivateMultiply)(f, gate, up, n);
}
void softCapRow(float* x, float scale, float cap, size_t n) {
    HWY_DYNAMIC_DISPATCH(SoftCapRow)(x, scale, cap, n);
}
void scaleAddRow(float* x, float scale, const float* y, size_t n) {
    HWY_DYNAMIC_DISPATCH(ScaleAddRow)(x, scale, y, n);
}
void addScaledRow(float* x, float weight, const float* y, size_t n) {
    HWY_DYNAMIC_DISPATCH(AddScaledRow)(x, weight, y, n);
}
void softmaxRow(float* x, float scale, size_t n) {
    HWY_DYNAMIC_DISPATCH(SoftmaxRow)(x, scale, n);
}
void ropeHead(float* x, const float* cosine, const float* sine, size_t half) {
    HWY_DYNAMIC_DISPATCH(RopeHead)(x, cosine, sine, half);
}
void addRow(float* x, const float* y, size_t n) {
    HWY_DYNAMIC_DISPATCH(AddRow)(x, y, n);
}
void gptqRows(const GptqColumns& block, size_t firstRow, size_t count) {
    HWY_DYNAMIC_DISPATCH(GptqRows)(block, firstRow, count);
}
const char* instructionSet() {
    return HWY_DYNAMIC_DISPATCH(InstructionSet)();
}

} // namespace qs::cpu
#endif
