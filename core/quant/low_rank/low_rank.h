// SPDX-License-Identifier: Apache-2.0
// The product of low rank that makes up best for an error E = W - W' [m, n]: of all A B of rank r the one
// with the least tr((E - A B) Sigma (E - A B)^T); without Sigma, the least ||E - A B||_F. It is U U^T E, U
// the r leading eigenvectors of E Sigma E^T (Eckart and Young 1936, in the metric of the inputs), so Sigma is
// neither factored nor inverted. U is found by subspace iteration from a random start (Halko, Martinsson,
// Tropp 2011, arXiv:0909.4061, algorithm 4.4).
#pragma once

#include "core/base/job.h"
#include "core/base/result.h"
#include "core/codec/extras.h"

namespace qs {

/// Both factors in float16, of equal norm per column of A and row of B. rank <= min(m, n). Deterministic for
/// a seed. About 2 (r + 10) n (4 m + 2 n) flops for each of 8 iterations.
Result<LowRank> lowRankOf(ConstMatrixView error, size_t rank, const MatrixD* sigma, uint64_t seed,
                          const JobContext& job);

/// The largest rank that is of use: min(rank, rows, cols).
size_t usableRank(long long rank, size_t rows, size_t cols);

} // namespace qs
