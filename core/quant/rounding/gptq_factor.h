// SPDX-License-Identifier: Apache-2.0
// What the GPTQ recursion needs of its H, in the order of columns that it solves them in; see gptq_solver.h
// for the formulas.
#pragma once

#include "core/backend/backend.h"

namespace qs {

/// H = Sigma + damping mean(diag Sigma) I = R R^T, R upper triangular, and blocks of U = R^-1. The backend
/// outlives it.
class GptqFactor {
public:
    /// `actOrder`: columns in descending diag(H) order, instead of their own. Ten times more damping is tried
    /// when the factorization fails, up to 1. n^3 / 3 flops.
    static Result<GptqFactor> make(const MatrixD& sigma, bool actOrder, double damping, Backend& backend);

    /// [n]: the column that is solved at each place.
    const std::vector<uint32_t>& order() const { return order_; }
    /// The columns at `count` places, kNoColumn for inputs that were never active: they give no evidence for
    /// any value, and 0 is the cheapest. As the published code does.
    std::vector<uint32_t> activeColumns(size_t first, size_t count) const;
    /// R in float32, [n, n].
    const Tensor& values() const { return values_; }

    /// U of the blocks that begin at the places `firsts` and reach to the next one, `most` places at most.
    Result<void> invertBlocks(const std::vector<size_t>& firsts, size_t most);
    /// [n, most]: the row of a place has its block's U from column 0 on.
    TensorBlock inverses() const { return inverses_; }
    /// U of the first `count` places of the block that begins at `first`.
    TensorBlock inverseOf(size_t first, size_t count) const {
        return TensorBlock(inverses_).block(first, count, 0, count);
    }
    /// U of any block, [count, count].
    Result<Tensor> inverse(size_t first, size_t count) const;

    /// R_jj^2 = 1 / U_jj^2 of every column, [n]: what a squared rounding error of 1 costs.
    Result<std::vector<double>> errorCosts() const;

private:
    GptqFactor(Backend& backend, std::vector<uint32_t> order)
        : backend_(&backend), order_(std::move(order)) {}

    Backend* backend_;
    std::vector<uint32_t> order_;
    std::vector<bool> active_; ///< [n] by column
    std::unique_ptr<UpperFactor> factor_;
    Tensor values_, inverses_;
};

} // namespace qs
