// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/grouped_linear.h"

#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kCodesAtOnce = size_t(1) << 18;

/// One row: codes to values.
struct RowScales {
    const float* scale;
    const float* zero; ///< null: 0
    const std::vector<int32_t>& groupOfColumn;
    size_t groupSize;

    void apply(std::span<const float> levels, const int16_t* codes, std::span<float> out) const {
        const auto value = [&](size_t k, float s, float z) {
            const float level = levels.empty() ? float(codes[k]) : levels[size_t(codes[k])];
            return (level - z) * s;
        };
        if (!groupOfColumn.empty()) {
            for (size_t k = 0; k < out.size(); ++k) {
                const size_t g = size_t(groupOfColumn[k]);
                out[k] = value(k, scale[g], zero ? zero[g] : 0.0f);
            }
            return;
        }
        for (size_t k = 0, g = 0; k < out.size(); ++g) {
            const size_t end = std::min(out.size(), k + groupSize);
            for (const float s = scale[g], z = zero ? zero[g] : 0.0f; k < end; ++k)
                out[k] = value(k, s, z);
        }
    }
};

} // namespace

Result<void> GroupedLinear::unpackRows(size_t firstRow, MatrixView out) const {
    const auto gridRowOf = [&](size_t row) { return info_.scaleRows == 1 ? 0 : row / info_.blockRows; };
    const size_t firstGrid = gridRowOf(firstRow);
    QS_TRY(const PackedScales scales,
           readScales(firstGrid, gridRowOf(firstRow + out.rows - 1) - firstGrid + 1));
    const size_t step = std::clamp<size_t>(kCodesAtOnce / info_.in, 1, out.rows);
    PackedCodes codes(step, info_.in);
    for (size_t r = 0; r < out.rows; r += step) {
        const size_t count = std::min(step, out.rows - r);
        QS_CHECK(unpackCodes(firstRow + r, codes.view().block(0, count, 0, info_.in)));
        for (size_t i = 0; i < count; ++i) {
            const size_t g = gridRowOf(firstRow + r + i) - firstGrid;
            const RowScales rowScales{scales.scale.row(g), scales.zero.empty() ? nullptr : scales.zero.row(g),
                                      scales.groupOfColumn, info_.groupSize};
            rowScales.apply(levels(), codes.row(i), out.rowSpan(r + i));
        }
    }
    return {};
}

Result<Matrix> readGridRows(const Checkpoint& checkpoint, size_t tensor, const PackedInfo& info, size_t first,
                            size_t count) {
    Matrix values(count, info.groups);
    QS_CHECK(readScaleValues(checkpoint, tensor, first * info.groups, values.span()));
    return values;
}

Result<std::vector<int32_t>> readGroupIndex(const Checkpoint& checkpoint, size_t tensor,
                                            const PackedInfo& info) {
    QS_TRY(const auto bytes, checkpoint.rawBytes(tensor));
    std::vector<int32_t> groups(info.in);
    for (size_t k = 0; k < info.in; ++k) {
        const uint32_t group = wordAt(bytes, k);
        if (group >= info.groups)
            return Error::corrupt(
                fmt::format("element {} is {}, allowed 0..{}", k, int32_t(group), info.groups - 1),
                checkpoint.tensors()[tensor].name);
        groups[k] = int32_t(group);
    }
    return groups;
}

} // namespace qs
