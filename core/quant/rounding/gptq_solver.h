// SPDX-License-Identifier: Apache-2.0
// The GPTQ rounding recursion (Frantar et al. 2022, arXiv:2210.17323, algorithm 1). H = Sigma + damping
// mean(diag Sigma) I, H^-1 = U^T U. For columns j in order: q_j = nearest code of w_j; e_j = (w_j - w'_j) /
// U_jj; w_k -= U_jk e_j for k > j.
//
// Blocks of columns J are solved so, but the updates between blocks need no inverse of H. H = R R^T with R
// upper triangular, and U = R^-1. Let D = W - W' of the columns before J (W the original weights). The update
// that J has received by then is D R_J R_JJ^-1, where R_J are the rows before J of the columns J (from U R =
// I: U_J = -U R_J R_JJ^-1, and E U = D). So D R is accumulated block by block, and only the diagonal blocks
// of R are inverted.
//
// Cost for W [m, n], block b: n^3 / 3 (factor) + m n^2 + 2 m n b flops, nearly all in matrix products.
// Memory beside the weights: 12 n^2 + 8 m n bytes; on the processor 8 n for each row of the stripes in work
// instead of the latter.
#pragma once

#include "core/base/job.h"
#include "core/quant/method.h"
#include "core/quant/outlier/kept_mask.h"
#include "core/quant/range/range_search.h"

#include <functional>

namespace qs {

struct GptqOptions {
    double damping =
        0.01; ///< of the mean diagonal; ten times more is tried when the factorization fails, up to 1
    size_t blockSize = 128; ///< columns between lazy updates
    /// Columns in descending diag(H) order. The groups stay those of the original order and their grids are
    /// fitted on the original weights (the static-group form), so that the result needs no index.
    bool actOrder = false;
    RangeChoice range;
    /// Weights that keep the values they have when the recursion reaches them, as float16: hardly any error
    /// goes on from them, and grids are fitted without them.
    KeptMask kept;
    /// What is kept becomes 8-bit values, on scales of the rows that are found before the recursion starts.
    bool keptInt8 = false;
    /// So many of every four columns become 0, row by row: those with the least w_j^2 / U_jj^2 when the
    /// recursion reaches the four (SparseGPT, arXiv:2301.00774). Needs the order of the columns, and rows and
    /// groups of whole fours.
    int zerosOfFour = 0;
    /// Finds the parameters of columns that are fitted together, in place of `range`: of the values of one
    /// row from `column` on, as fitUnit. Different rows may be fitted at the same time.
    std::function<void(std::span<const float> values, QuantizedTensor& q, size_t row, size_t column)> fit;
    /// q has been prepared (Codec::prepareParameters) for `fit`, with choices of the caller's.
    bool prepared = false;
};

/// Fills q.scale, q.zero, q.codes and q.extras.kept of a tensor begun with beginTensor. Group grids are
/// fitted on the weights as they are when the recursion reaches the group, updates of the current block
/// included.
Result<void> solveGptq(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q,
                       const JobContext& job);

/// What a squared rounding error of 1 costs in each column, [cols]: 1 / U_jj^2 = R_jj^2, the factor of the
/// solve with these options. n^3 / 3 flops.
Result<std::vector<double>> gptqErrorCosts(const MatrixD& sigma, const GptqOptions& options,
                                           Backend& backend);

} // namespace qs
