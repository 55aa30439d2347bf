// SPDX-License-Identifier: Apache-2.0
// Codes, sums and counts on the CPU; see Backend for what they are. Shapes are checked by the caller.
#pragma once

#include "core/backend/codes.h"
#include "core/backend/sums.h"

namespace qs::cpu {

/// CodeGroups in host memory.
struct Groups {
    ConstMatrixView scale, zero; ///< zero without data: all 0
    size_t groupSize, blockRows;
    std::span<const int32_t> groupOfColumn;
};

/// False when a value is not finite. `values` without data: they are not wanted.
bool roundToGrid(ConstMatrixView x, const CodeGrid& grid, const Groups& groups, MatrixViewT<uint8_t> codes,
                 MatrixView values);
void decodeCodes(MatrixViewT<const uint8_t> codes, const CodeGrid& grid, const Groups& groups,
                 MatrixView values);
ColumnSums columnSums(ConstMatrixView x, std::span<const float> shift);
ValueCounts countValues(ConstMatrixView x, double lo, double hi, size_t bins);
/// `weights` [n] or empty. Points are finite.
/// `reference` without data: there is none.
LogitScores scoreLogits(ConstMatrixView logits, std::span<const uint32_t> rows,
                        std::span<const uint32_t> targets, ConstMatrixView reference);
KMeansStep kMeansStep(ConstMatrixView points, std::span<const float> weights, ConstMatrixView centers);
void rotateRows(MatrixView x, std::span<const float> signs, const MatrixD& orthogonal, bool back);
bool allFinite(ConstMatrixView x);
void groupRanges(ConstMatrixView x, size_t groupSize, MatrixView low, MatrixView high);

} // namespace qs::cpu
