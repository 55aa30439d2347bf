// SPDX-License-Identifier: Apache-2.0
// Ridge regression with few samples.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <span>
#include <vector>

namespace qs {

/// y(x) = scale s(x) + sum_j w_j x_j: w is pulled to 0, so that where little is known y is the scaled prior
/// s.
class Ridge {
public:
    /// x [samples, features], prior and y [samples]; at least one sample. scale is the least-squares one; w
    /// minimizes |y - scale prior - x w|^2 + lambda |w|^2, lambda = `share` of the mean diagonal of x x^T.
    /// Solved through the [samples, samples] system (Saunders et al. 1998, dual form).
    static Result<Ridge> fit(const MatrixD& x, std::span<const double> prior, std::span<const double> y,
                             double share);
    double predict(double prior, std::span<const double> features) const;

private:
    double scale_ = 1;
    std::vector<double> weights_;
};

} // namespace qs
