// SPDX-License-Identifier: Apache-2.0
#include "core/quant/outlier/kept_mask.h"

#include "core/tensor/dtype.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace qs {

KeptMask KeptMask::highest(ConstMatrixView scores, size_t count) {
    KeptMask mask(scores.rows, scores.cols);
    count = std::min(count, scores.size());
    if (count == 0) return mask;
    Matrix copy(scores.rows, scores.cols); // its memory is there already, a vector's is new each time
    for (size_t r = 0; r < scores.rows; ++r)
        std::copy_n(scores.row(r), scores.cols, copy.row(r));
    const std::span<float> sorted = copy.span();
    const auto nth = sorted.begin() + long(count - 1);
    std::nth_element(sorted.begin(), nth, sorted.end(), std::greater<>());
    const float bound = *nth;
    size_t equals = count - size_t(std::count_if(sorted.begin(), nth, [&](float s) { return s > bound; }));
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
