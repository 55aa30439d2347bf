// SPDX-License-Identifier: Apache-2.0
#include "core/quant/outlier/kept_mask.h"

#include "core/tensor/dtype.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace qs {

namespace {

/// Grows with x; 0 is the same with either sign.
uint32_t orderedBits(float x) {
    const auto bits = std::bit_cast<uint32_t>(x + 0.0f);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/// The count-th highest score, and how many of those that equal it are among the `count` highest. Counted by
/// leading bits first: only what shares them with the answer is ordered.
std::pair<float, size_t> nthHighest(ConstMatrixView scores, size_t count) {
    constexpr int kShift = 16;
    std::vector<size_t> counts(size_t(1) << (32 - kShift));
    for (size_t r = 0; r < scores.rows; ++r)
        for (const float s : scores.rowSpan(r))
            ++counts[orderedBits(s) >> kShift];
    size_t bin = counts.size() - 1, above = 0;
    while (above + counts[bin] < count)
        above += counts[bin--];
    std::vector<float> inBin;
    inBin.reserve(counts[bin]);
    for (size_t r = 0; r < scores.rows; ++r)
        for (const float s : scores.rowSpan(r))
            if (orderedBits(s) >> kShift == bin) inBin.push_back(s);
    const auto nth = inBin.begin() + long(count - above - 1);
    std::nth_element(inBin.begin(), nth, inBin.end(), std::greater<>());
    const float bound = *nth;
    const auto higher = std::count_if(inBin.begin(), nth, [&](float s) { return s > bound; });
    return {bound, count - above - size_t(higher)};
}

} // namespace

KeptMask KeptMask::highest(ConstMatrixView scores, size_t count) {
    KeptMask mask(scores.rows, scores.cols);
    count = std::min(count, scores.size());
    if (count == 0) return mask;
    auto [bound, equals] = nthHighest(scores, count);
    for (size_t r = 0; r < scores.rows; ++r)
        for (size_t c = 0; c < scores.cols; ++c)
            if (scores(r, c) > bound)
                mask.set(r, c);
            else if (scores(r, c) == bound && equals > 0) {
                mask.set(r, c);
                --equals;
            }
    return mask;
}

KeptMask KeptMask::largest(ConstMatrixView weight, size_t count) {
    Matrix magnitudes(weight.rows, weight.cols);
    for (size_t r = 0; r < weight.rows; ++r)
        std::transform(weight.row(r), weight.row(r) + weight.cols, magnitudes.row(r),
                       [](float v) { return std::fabs(v); });
    return highest(magnitudes.view(), count);
}

KeptMask KeptMask::columns(size_t rows, std::span<const double> scores, size_t count) {
    KeptMask mask(rows, scores.size());
    std::vector<size_t> order(scores.size());
    for (size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    for (size_t i = 0; i < std::min(count, order.size()); ++i)
        for (size_t r = 0; r < rows; ++r)
            mask.set(r, order[i]);
    return mask;
}

void KeptMask::cover(std::span<float> values, size_t row, size_t column) const {
    if (empty()) return;
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < values.size(); ++i)
        if (!at(row, column + i)) {
            sum += double(values[i]);
            ++n;
        }
    if (n == values.size()) return;
    const float mean = n > 0 ? float(sum / double(n)) : 0.0f;
    for (size_t i = 0; i < values.size(); ++i)
        if (at(row, column + i)) values[i] = mean;
}

KeptWeights KeptMask::places() const {
    KeptWeights out;
    if (empty()) return out;
    out.rowStart.reserve(rows_ + 1);
    out.columns.reserve(count_);
    out.rowStart.push_back(0);
    for (size_t r = 0; r < rows_; ++r) {
        for (size_t c = 0; c < cols_; ++c)
            if (at(r, c)) out.columns.push_back(uint32_t(c));
        out.rowStart.push_back(uint32_t(out.columns.size()));
    }
    out.values.assign(out.columns.size(), 0.0f);
    return out;
}

size_t countOfShare(double share, size_t total) {
    return size_t(std::llround(share * double(total)));
}

float keptValue(float value) {
    constexpr float kLargest = 65504;
    return halfToFloat(floatToHalf(std::clamp(value, -kLargest, kLargest)));
}

void scaleKept(ConstMatrixView weight, KeptWeights& kept) {
    if (kept.empty()) return;
    kept.scale.resize(weight.rows);
    for (size_t r = 0; r < weight.rows; ++r) {
        float largest = 0;
        for (size_t i = kept.rowStart[r]; i < kept.rowStart[r + 1]; ++i)
            largest = std::max(largest, std::fabs(weight(r, kept.columns[i])));
        kept.scale[r] = keptScale(largest);
    }
}

} // namespace qs
