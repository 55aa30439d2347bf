// SPDX-License-Identifier: Apache-2.0
#include "core/model/packed/packed_linear.h"

#include <fmt/format.h>

namespace qs {

Result<void> PackedLinear::checkRows(uint64_t firstRow, size_t rows, size_t cols) const {
    if (cols == info_.in && firstRow <= info_.out && rows <= info_.out - firstRow) return {};
    return Error::invalid(fmt::format("rows {} to {} of {} columns asked of [{}, {}]", firstRow,
                                      firstRow + rows, cols, info_.out, info_.in),
                          info_.module);
}

Result<void> PackedLinear::readCodes(uint64_t firstRow, MatrixViewT<int16_t> out) const {
    QS_CHECK(checkRows(firstRow, out.rows, out.cols));
    return out.rows == 0 ? Result<void>() : unpackCodes(size_t(firstRow), out);
}

Result<void> PackedLinear::readRows(uint64_t firstRow, MatrixView out) const {
    QS_CHECK(checkRows(firstRow, out.rows, out.cols));
    return out.rows == 0 ? Result<void>() : unpackRows(size_t(firstRow), out);
}

Result<PackedCodes> PackedLinear::codes() const {
    PackedCodes codes(info_.out, info_.in);
    QS_CHECK(readCodes(0, codes.view()));
    return codes;
}

Result<Matrix> PackedLinear::dequantize() const {
    Matrix values(info_.out, info_.in);
    QS_CHECK(readRows(0, values.view()));
    return values;
}

} // namespace qs
