// SPDX-License-Identifier: Apache-2.0
// Decompositions of small or thin matrices, float64.
#pragma once

#include "core/tensor/matrix.h"

#include <random>
#include <vector>

namespace qs::linalg {

/// Replaces the columns of y [m, k], m >= k, by an orthonormal basis of a space that holds them all.
/// Householder reflections, 4 m k^2 flops.
void orthonormalizeColumns(MatrixViewT<double> y);
/// [n, n]: an orthonormal basis of Gaussian columns, the same on every machine. 4 n^3 flops.
MatrixD randomOrthogonal(size_t n, std::mt19937_64& random);

struct SymmetricEigen {
    std::vector<double> values; ///< descending
    MatrixD vectors;            ///< column i belongs to values[i]
};
/// Of a symmetric matrix [n, n], whose lower triangle is read. About 9 n^3 flops.
SymmetricEigen symmetricEigen(MatrixViewT<const double> a);

} // namespace qs::linalg
