// SPDX-License-Identifier: Apache-2.0
// Second moments of activations: Sigma += X^T X, products summed in float32 over at most 2048 rows (more
// would lose digits), those sums added in float64. Computed tile by tile, so that no float32 matrix of
// Sigma's size is written.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

namespace qs::linalg {

/// Upper triangle of sigma [n, n] += x^T x, x [T, n]; T n^2 flops. Results do not depend on the number of
/// threads.
void addSecondMoment(ConstMatrixView x, MatrixViewT<double> sigma);
/// The same of x rounded to bfloat16 (see bf16.h); memory for bf16(x).
Result<void> addSecondMomentBf16(ConstMatrixView x, MatrixViewT<double> sigma);
/// tr(A Sigma A^T) of a [m, n] and a symmetric sigma [n, n], by the same tiles of A^T A; m n^2 flops. The
/// result does not depend on the number of threads.
double quadraticForm(ConstMatrixView a, MatrixViewT<const double> sigma);
/// The lower triangle becomes the upper one's mirror image.
void mirrorUpper(MatrixViewT<double> sigma);

} // namespace qs::linalg
