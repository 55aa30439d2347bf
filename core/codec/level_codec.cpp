// SPDX-License-Identifier: Apache-2.0
#include "core/codec/level_codec.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

Result<StoredBits> LevelCodec::storedBits(size_t rows, size_t cols, bool withIndex) const {
    QS_TRY(const GroupLayout l, layout(rows, cols));
    StoredBits out;
    out.codes = uint64_t(rows) * cols * uint64_t(bits());
    out.scales = scaleBits(l);
    if (withIndex) out.index = uint64_t(cols) * 32;
    return out;
}

float LevelCodec::plainScale(std::span<const float> values) const {
    return largestMagnitude(values) / levels_.largest();
}

void LevelCodec::fitRange(float lo, float hi, float& scale, float& zero) const {
    scale = storedScale(std::max(-lo, hi) / levels_.largest(), scaleType());
    zero = 0;
}

void LevelCodec::round(const float* values, size_t n, const float* scale, const float*, uint8_t* codes,
                       float* out) const {
    for (size_t begin = 0, end = 0; begin < n; begin = end) {
        while (end < n && scale[end] == scale[begin])
            ++end;
        levels_.round(values + begin, end - begin, scale[begin], codes + begin);
        for (size_t i = begin; i < end; ++i)
            out[i] = scale[i] * levels_.value(codes[i]);
    }
}

void LevelCodec::decodeRows(const QuantizedTensor& q, size_t firstRow, MatrixView out) const {
    const float* values = levels_.values().data();
    for (size_t r = 0; r < out.rows; ++r) {
        const size_t row = firstRow + r;
        const float* scale = q.scale.row(q.parameterRow(row));
        const uint8_t* codes = q.codes.data() + row * q.cols;
        for (size_t c = 0, next = 0; c < q.cols; c = next) {
            const size_t g = q.groupOf(c);
            next = q.groupOfColumn.empty() ? std::min(q.cols, c + q.layout.groupSize) : c + 1;
            for (size_t i = c; i < next; ++i)
                out(r, i) = scale[g] * values[codes[i]];
        }
    }
}

Result<void> LevelCodec::checkParameters(const QuantizedTensor& q) const {
    for (size_t r = 0; r < q.scale.rows(); ++r)
        for (size_t g = 0; g < q.scale.cols(); ++g) {
            if (q.zero(r, g) != 0)
                return Error::invalid(
                    fmt::format("zero[{}, {}] = {:.9g}, {} has no zero points", r, g, q.zero(r, g), label()));
            if (!isStorable(q, r, g, q.scale(r, g)))
                return Error::invalid(
                    fmt::format("scale[{}, {}] = {:.9g} is not {}", r, g, q.scale(r, g), scaleRule()));
        }
    return {};
}

float largestMagnitude(std::span<const float> values) {
    float most = 0;
    for (const float v : values)
        most = std::max(most, std::fabs(v));
    return most;
}

Result<GroupLayout> groupsOf(size_t rows, size_t cols, size_t group) {
    if (rows == 0 || cols == 0)
        return Error::invalid(fmt::format("an empty matrix [{}, {}] cannot be quantized", rows, cols));
    if (cols % group != 0)
        return Error::invalid(fmt::format("row length {} is not a multiple of group {}", cols, group));
    return GroupLayout{rows, cols / group, group};
}

float storedScale(float scale, DType type) {
    if (type == DType::F16) {
        constexpr float kSmallest = 0x1p-24f, kLargest = 65504.0f;
        return halfToFloat(floatToHalf(std::clamp(scale, kSmallest, kLargest)));
    }
    constexpr float kSmallest = 0x1p-126f, kLargestBf16 = 0x1.fep127f;
    scale = std::clamp(scale, kSmallest, kLargestBf16);
    return type == DType::BF16 ? bfloatToFloat(floatToBfloat(scale)) : scale;
}

} // namespace qs
