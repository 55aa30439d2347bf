// SPDX-License-Identifier: Apache-2.0
// What the cases of the selftest are made from.
#pragma once

#include "core/backend/selftest/selftest.h"

namespace qs::selftest {

using Cases = std::vector<SelftestCase>;

/// Uniform in [-scale, scale), by splitmix64 of the seed: alike on every machine.
Matrix randomMatrix(size_t rows, size_t cols, uint64_t seed, double scale = 1);
MatrixD toDouble(const Matrix& m);
/// Values as uploadWeight and linear() round them.
Matrix rounded(const Matrix& m, Precision precision);
/// Largest |a - b| / (1 + |b|); infinity when a value of `a` is not a number.
double distance(ConstMatrixView a, const MatrixD& b);

Result<Tensor> up(Backend& backend, const Matrix& m);
Result<Matrix> down(Backend& backend, const Tensor& t);
/// distance() of what a tensor holds.
Result<double> distance(Backend& backend, const Tensor& t, const MatrixD& expected);

void addProducts(Cases& cases, Precision precision); ///< linear, Sigma, copies
void addSolver(Cases& cases);                        ///< factor, columns, GPTQ
void addRowOperations(Cases& cases);                 ///< norms, activations, rows
void addAttention(Cases& cases);                     ///< rotary embedding, attention
void addCodes(Cases& cases);                         ///< rounding to grids and back, rotations
void addSums(Cases& cases);                          ///< sums by column, counts, k-means

} // namespace qs::selftest
