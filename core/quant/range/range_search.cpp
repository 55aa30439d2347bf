// SPDX-License-Identifier: Apache-2.0
#include "core/quant/range/range_search.h"

#include "core/linalg/grid_kernels.h"
#include "core/linalg/parallel.h"
#include "core/quant/range/observers.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr double kOutside = 5e-4; ///< RangeRule::Percentile
constexpr RangeRule kNamedRules[] = {RangeRule::MinMax, RangeRule::Mse, RangeRule::Percentile,
                                     RangeRule::Divergence};

} // namespace

const char* rangeRuleName(RangeRule rule) {
    constexpr const char* names[] = {"minmax", "mse", "percentile", "kl", ""};
    return names[size_t(rule)];
}

RangeChoice rangeChoice(const Params& params) {
    RangeChoice range;
    for (const RangeRule rule : kNamedRules)
        if (params.has("range") && params.choice("range") == rangeRuleName(rule)) range.rule = rule;
    if (params.has("clip")) range.clip = float(params.real("clip"));
    return range;
}

ParamSpec clipParam() {
    ParamSpec spec = ParamSpec::real("clip", "Clip ratio", 1.0, 0.05, 1.0,
                                     "The grid covers this share of each group's range; weights outside "
                                     "become its ends. Below 1 the steps "
                                     "get finer and the largest weights wrong; 0.9 to 1 is usual.");
    spec.visibleWhen = "range=minmax";
    return spec;
}

ParamSpec rangeParam() {
    return ParamSpec::choice(
        "range", "Range", "minmax", {"minmax", "mse", "percentile", "kl"},
        "minmax: the grid covers every weight of its group. mse: the range is shrunk in steps of 1 % for the "
        "least sum of |error|^2.4; helps at 2 and 3 bits with large groups, about 80 times the work. "
        "percentile: 0.05 % of the weights on either side may lie outside, which says nothing of groups "
        "below "
        "a thousand. kl: the least divergence of the histograms before and after rounding, as is usual for "
        "activations; for rows and whole tensors.");
}

double RangeSearch::loss(std::span<const float> values, float scale, float zero, Importance importance) {
    constexpr double kNorm = 2.4;
    const size_t n = values.size();
    scales_.assign(n, scale);
    zeros_.assign(n, zero);
    codes_.resize(n);
    rounded_.resize(n);
    codec_.round(values.data(), n, scales_.data(), zeros_.data(), codes_.data(), rounded_.data());
    double sum = 0;
    for (size_t i = 0; i < importance.size(); ++i) {
        const double d = double(rounded_[i]) - double(values[i]);
        sum += double(importance[i]) * d * d;
    }
    if (!importance.empty()) return sum;
    for (size_t i = 0; i < n; ++i) {
        const float d = std::fabs(rounded_[i] - values[i]);
        // Below 1e-30 the power is 0 in effect, and log2 would see 0.
        if (d > 1e-30f) sum += double(std::exp2(float(kNorm) * std::log2(d)));
    }
    return sum;
}

void RangeSearch::fit(std::span<const float> values, float& scale, float& zero, Importance importance) {
    const auto [lo, hi] = minMaxOf(values.data(), values.size());
    if (range_.rule == RangeRule::MinMax) {
        codec_.fitRange(range_.clip * lo, range_.clip * hi, scale, zero);
        return;
    }
    if (range_.rule == RangeRule::Percentile || range_.rule == RangeRule::Divergence) {
        const Interval i = range_.rule == RangeRule::Percentile
                               ? percentileInterval(codec_, values, kOutside, {lo, hi})
                               : leastDivergence(codec_, values, {lo, hi});
        return codec_.fitRange(i.low, i.high, scale, zero);
    }
    codec_.fitRange(lo, hi, scale, zero);
    if (range_.rule == RangeRule::Alternate) return alternate(values, lo, hi, scale, zero, importance);
    constexpr int kSteps = 80;
    double best = loss(values, scale, zero, importance);
    for (int i = 1; i < kSteps; ++i) {
        const float p = 1.0f - float(i) / 100.0f;
        float s = 0, z = 0;
        codec_.fitRange(p * lo, p * hi, s, z);
        if (const double l = loss(values, s, z, importance); l < best) {
            best = l;
            scale = s;
            zero = z;
        }
    }
}

// Scales are proportional to the range, so that a scale is asked for by the range that gives it, in the type
// that it is stored in.
void RangeSearch::alternate(std::span<const float> values, float lo, float hi, float& scale, float& zero,
                            Importance importance) {
    constexpr int kTurns = 20;
    const double whole = double(scale);
    if (whole == 0) return;
    double best = -1;
    float s = scale, z = zero;
    for (int turn = 0; turn < kTurns; ++turn) {
        scales_.assign(values.size(), s);
        zeros_.assign(values.size(), z);
        codes_.resize(values.size());
        rounded_.resize(values.size());
        codec_.round(values.data(), values.size(), scales_.data(), zeros_.data(), codes_.data(),
                     rounded_.data());
        double error = 0, dot = 0, square = 0;
        for (size_t i = 0; i < values.size(); ++i) {
            const double weight = importance.empty() ? 1.0 : double(importance[i]);
            const double w = double(values[i]), v = double(rounded_[i]) / double(s);
            error += weight * (w - double(rounded_[i])) * (w - double(rounded_[i]));
            dot += weight * w * v;
            square += weight * v * v;
        }
        if (best >= 0 && error >= best) return;
        best = error;
        scale = s;
        zero = z;
        if (square == 0 || dot <= 0) return;
        const float factor = float(dot / square / whole);
        codec_.fitRange(factor * lo, factor * hi, s, z);
        if (s == 0) return;
    }
}

namespace {

/// Groups that reach over several rows: their values side by side.
void fitBlocks(const Codec& codec, RangeChoice range, ConstMatrixView weight, QuantizedTensor& q,
               Importance importance) {
    const size_t blockRows = q.layout.scaleRows == 1 ? weight.rows : q.layout.blockRows;
    linalg::parallelFor(q.layout.scaleRows, 1, [&](size_t begin, size_t end) {
        RangeSearch search(codec, range);
        std::vector<float> values, weights;
        for (size_t b = begin; b < end; ++b)
            for (size_t g = 0; g < q.layout.groups; ++g) {
                const size_t c = g * q.layout.groupSize, n = std::min(q.layout.groupSize, weight.cols - c);
                values.clear();
                weights.clear();
                for (size_t r = b * blockRows; r < std::min(weight.rows, (b + 1) * blockRows); ++r) {
                    values.insert(values.end(), weight.row(r) + c, weight.row(r) + c + n);
                    if (importance.empty()) continue;
                    const auto part = importance.subspan(c, n);
                    weights.insert(weights.end(), part.begin(), part.end());
                }
                fitUnit(codec, search, range, values, weights, q, b, c);
            }
    });
}

} // namespace

size_t fittedTogether(const Codec& codec, const GroupLayout& layout) {
    return codec.fitColumns() > 0 ? std::min(codec.fitColumns(), layout.groups * layout.groupSize)
                                  : layout.groupSize;
}

void fitUnit(const Codec& codec, RangeSearch& search, RangeChoice range, std::span<const float> values,
             Importance importance, QuantizedTensor& q, size_t row, size_t column) {
    if (codec.fitColumns() > 0) {
        codec.fitBlock(values, importance, {range.rule != RangeRule::MinMax, range.clip}, q, row, column);
        return;
    }
    const size_t group = column / q.layout.groupSize;
    search.fit(values, q.scale(row, group), q.zero(row, group), importance);
}

void fitGroups(const Codec& codec, RangeChoice range, ConstMatrixView weight, QuantizedTensor& q,
               Importance importance) {
    codec.prepareParameters(weight, importance, q);
    if (q.layout.scaleRows != weight.rows || q.layout.blockRows > 1)
        return fitBlocks(codec, range, weight, q, importance);
    const size_t unit = fittedTogether(codec, q.layout);
    linalg::parallelFor(weight.rows, 8, [&](size_t begin, size_t end) {
        RangeSearch search(codec, range);
        for (size_t r = begin; r < end; ++r)
            for (size_t c = 0; c < weight.cols; c += unit)
                fitUnit(codec, search, range, {weight.row(r) + c, unit},
                        importance.empty() ? importance : importance.subspan(c, unit), q, r, c);
    });
}

} // namespace qs
