// SPDX-License-Identifier: Apache-2.0
// Dense linear algebra behind our names, and the one owner of thread counts. The provider is OpenBLAS, opened
// at run time so that its kernels can be chosen before it starts: Debian's build falls back to Haswell
// kernels on CPUs newer than itself and loses 2.5x. Without OpenBLAS, Eigen does the work. All matrices are
// row-major.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <string>

namespace qs::linalg {

/// "OpenBLAS 0.3.21 (SkylakeX kernels)", or "Eigen 3.4.0, slower: OpenBLAS cannot be used (...)" with the
/// reason.
std::string providerDescription();

/// Cores this process may use.
int hardwareThreads();
/// Threads of the products below, process-wide. Results do not depend on it. Inside a parallel loop products
/// run on one thread.
void setThreads(int threads);
int threads();

/// c = alpha op(a) op(b) + beta c, with op = transpose where asked. Shapes after op: [m, k] [k, n] -> [m, n].
/// 2mnk flops.
void gemm(bool transposeA, bool transposeB, float alpha, ConstMatrixView a, ConstMatrixView b, float beta,
          MatrixView c);
/// The upper triangle of c = a a^T, a [n, k]; anything below the diagonal. By the calling thread; n^2 k
/// flops.
void gramUpper(ConstMatrixView a, MatrixView c);

/// Lower Cholesky factor in place: h [n, n] symmetric positive definite, lower triangle read and written; the
/// strict upper triangle is left as it was. Error::Backend, with the failing pivot, when h is not positive
/// definite. n^3 / 3 flops.
Result<void> choleskyLower(MatrixViewT<double> h);
/// Inverse of a lower triangular matrix in place; the strict upper triangle is left as it was. n^3 / 3 flops.
Result<void> invertLower(MatrixViewT<double> l);

} // namespace qs::linalg
