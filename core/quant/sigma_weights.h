// SPDX-License-Identifier: Apache-2.0
// SigmaWeights: the second moment of a linear's inputs, made ready to weigh errors by what they do to its
// outputs: with Sigma = X^T X, tr(A Sigma A^T) = ||X A^T||^2.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <optional>
#include <span>

namespace qs {

/// Sigma in float32 after division by its largest diagonal entry; only ratios of its norms mean anything.
/// Immutable and thread-safe.
class SigmaWeights {
public:
    /// sigma [cols, cols]. InvalidArgument for another shape. Empty when its diagonal is all zero: no input
    /// ever fired, and nothing can be weighed.
    static Result<std::optional<SigmaWeights>> make(const MatrixD& sigma, size_t cols);

    size_t cols() const { return scaled_.cols(); }
    /// tr(A Sigma A^T) for A [rows, cols], in units of the largest diagonal entry; float64 sums. 2 rows
    /// cols^2 flops. With `perColumn` [cols], adds what each column contributes, sum_r A(r, c) (A Sigma)(r,
    /// c): these sum to the norm (single ones may be negative).
    double norm(ConstMatrixView a, std::span<double> perColumn = {}) const;

private:
    Matrix scaled_;
};

} // namespace qs
