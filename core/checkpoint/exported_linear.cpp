// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/exported_linear.h"

#include "core/checkpoint/exported_extras.h"
#include "core/checkpoint/exported_read.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

Result<std::vector<int32_t>> readGroups(const ExportedLinear& l, const H5Import& file) {
    const uint64_t groups = l.scale->shape[1];
    QS_TRY(auto groupOf, readElements<int32_t>(file, *l.groupOfColumn, 0, l.cols));
    for (const int32_t g : groupOf)
        if (g < 0 || uint64_t(g) >= groups)
            return Error::corrupt(fmt::format("group {} of {}", g, groups), l.groupOfColumn->path);
    return groupOf;
}

/// Some rows of a linear, with the parameters that serve them.
class Piece {
public:
    Piece(const ExportedLinear& linear, const H5Import& file, const std::vector<int32_t>& groupOf)
        : l_(linear), file_(file), groupOf_(groupOf), groups_(linear.scale->shape[1]) {
        codes_ = l_.table            ? size_t(l_.table->shape[2])
                 : l_.levels.empty() ? kExportedMaxLevels
                                     : l_.levels.size();
    }

    Result<void> read(uint64_t firstRow, MatrixView out) {
        QS_CHECK(readParameters(firstRow, out.rows));
        QS_TRY(const auto codes,
               readElements<uint8_t>(file_, *l_.codes, firstRow * l_.cols, out.rows * l_.cols));
        for (size_t r = 0; r < out.rows; ++r) {
            const size_t parameters = size_t((parameterRow(firstRow + r) - firstParameters_) * groups_);
            for (size_t c = 0; c < out.cols; ++c) {
                const uint8_t code = codes[r * out.cols + c];
                if (code >= codes_)
                    return Error::corrupt(fmt::format("code {} of {} levels", code, codes_), l_.codes->path);
                out(r, c) = value(code, parameters + size_t(groupOf_[c]));
            }
        }
        return applyExportedExtras(l_.extras, file_, firstRow, out);
    }

private:
    uint64_t parameterRow(uint64_t row) const { return l_.scale->shape[0] == 1 ? 0 : row / l_.blockRows; }

    float value(uint8_t code, size_t at) const {
        if (l_.table) return table_[at * codes_ + code];
        return l_.levels.empty() ? scale_[at] * (float(code) - zero_[at])
                                 : scale_[at] * l_.levels[code] - zero_[at];
    }

    Result<void> readParameters(uint64_t firstRow, size_t rows) {
        firstParameters_ = parameterRow(firstRow);
        const uint64_t first = firstParameters_ * groups_,
                       count = (parameterRow(firstRow + rows - 1) - firstParameters_ + 1) * groups_;
        if (l_.table) {
            QS_TRY(table_, readExportedFloats(file_, *l_.table, DType::F32, first * codes_, count * codes_));
            return {};
        }
        QS_TRY(scale_, readExportedFloats(file_, *l_.scale, l_.scaleType, first, count));
        QS_TRY(zero_, readExportedFloats(file_, *l_.zero, l_.zero->type, first, count));
        return {};
    }

    const ExportedLinear& l_;
    const H5Import& file_;
    const std::vector<int32_t>& groupOf_;
    uint64_t groups_;
    size_t codes_;
    uint64_t firstParameters_ = 0;
    std::vector<float> scale_, zero_, table_;
};

} // namespace

Result<void> readExportedLinear(const ExportedLinear& l, const H5Import& file, uint64_t firstRow,
                                MatrixView out) {
    QS_TRY(const auto groupOf, readGroups(l, file));
    const uint64_t perRow = l.table ? std::max(l.cols, l.table->shape[1] * l.table->shape[2]) : l.cols;
    const size_t rowsAtOnce = size_t(std::max<uint64_t>(1, kExportedBlock / perRow));
    Piece piece(l, file, groupOf);
    for (size_t begin = 0; begin < out.rows; begin += rowsAtOnce) {
        const size_t count = std::min(rowsAtOnce, out.rows - begin);
        QS_CHECK(piece.read(firstRow + begin, out.block(begin, count, 0, out.cols)));
    }
    return {};
}

} // namespace qs
