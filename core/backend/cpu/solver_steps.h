// SPDX-License-Identifier: Apache-2.0
// The CPU backend's part of GPTQ around its recursion, see Backend. Shapes are checked by the caller.
#pragma once

#include "core/backend/backend.h"

namespace qs::cpu {

/// The factor's tensors are the backend's.
Result<std::unique_ptr<UpperFactor>> upperFactor(Backend& backend, const MatrixD& sigma,
                                                 std::span<const uint32_t> order,
                                                 std::span<const double> diagonal);
void gatherColumns(ConstMatrixView x, std::span<const uint32_t> columns, MatrixView out);
/// low, high [x.cols]; x.rows > 0.
void columnRanges(ConstMatrixView x, float* low, float* high);

} // namespace qs::cpu
