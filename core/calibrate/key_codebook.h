// SPDX-License-Identifier: Apache-2.0
// Fits codebooks of keys to what queries make of them.
#pragma once

#include "core/base/job.h"
#include "core/model/cache_format.h"

namespace qs {

/// keys [n, heads d], n > 0, finite; metric [heads d, d]: H of each head one below the other, the sum of
/// q q^T over queries, symmetric positive semidefinite, damped by 1e-4 of its mean diagonal; `length` divides
/// d. k-means in the whitened space, piece by piece, with 2^(bits length) centers each. Deterministic.
Result<KeyCodebook> fitKeyCodebook(ConstMatrixView keys, MatrixViewT<const double> metric, size_t length,
                                   size_t bits, const JobContext& job);

} // namespace qs
