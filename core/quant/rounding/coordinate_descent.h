// SPDX-License-Identifier: Apache-2.0
// Cyclic coordinate descent on tr(D Sigma D^T), D = W - W' (QuantEase, Behdin et al. 2023, arXiv:2309.01885,
// algorithm 1). For columns j in order: w'_j = nearest of w'_j + (D Sigma)_j / Sigma_jj, the least squares
// solution with all others fixed. Sigma is not inverted, and from codes of the grid no step raises the error.
//
// Blocks of columns J: (D Sigma)_J is one product, updated inside the block as columns change. Cost of a
// sweep over W [m, n] with blocks of b: 2 m n^2 + 2 m n b flops, nearly all in matrix products. Memory beside
// the weights: 4 n^2 + 8 m n bytes.
#pragma once

#include "core/base/job.h"
#include "core/quant/method.h"

namespace qs {

struct DescentOptions {
    int sweeps = 2;
    size_t blockSize = 128;
    /// Start from the weights themselves instead of the tensor's codes, and leave columns unrounded in every
    /// third sweep but the last, up to the 25th, as the published code does to leave local minima.
    bool fromWeights = false;
};

/// Replaces q.codes. The tensor's scales stay; without fromWeights its codes are the start.
Result<void> descend(const QuantizeInput& input, const DescentOptions& options, QuantizedTensor& q,
                     const JobContext& job);

} // namespace qs
