// SPDX-License-Identifier: Apache-2.0
#include "core/quant/sigma_weights.h"

#include "core/linalg/blas.h"

#include <cassert>
#include <fmt/format.h>

namespace qs {

Result<std::optional<SigmaWeights>> SigmaWeights::make(const MatrixD& sigma, size_t cols) {
    if (sigma.rows() != cols || sigma.cols() != cols)
        return Error::invalid(
            fmt::format("Sigma is [{}, {}] for a row length of {}", sigma.rows(), sigma.cols(), cols));
    double top = 0;
    for (size_t i = 0; i < cols; ++i)
        top = std::max(top, sigma(i, i));
    if (!(top > 0)) return std::optional<SigmaWeights>();
    SigmaWeights w;
    w.scaled_ = Matrix(cols, cols);
    for (size_t i = 0; i < sigma.size(); ++i)
        w.scaled_.data()[i] = float(sigma.data()[i] / top);
    return std::optional<SigmaWeights>(std::move(w));
}

double SigmaWeights::norm(ConstMatrixView a, std::span<double> perColumn) const {
    assert(a.cols == cols() && (perColumn.empty() || perColumn.size() == a.cols));
    constexpr size_t kRows = 256;
    Matrix product(std::min(kRows, a.rows), a.cols);
    double sum = 0;
    for (size_t first = 0; first < a.rows; first += kRows) {
        const size_t n = std::min(kRows, a.rows - first);
        const MatrixView p = product.view().block(0, n, 0, a.cols);
        linalg::gemm(false, false, 1.0f, a.block(first, n, 0, a.cols), scaled_.view(), 0.0f, p);
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < a.cols; ++c) {
                const double term = double(a(first + r, c)) * double(p(r, c));
                sum += term;
                if (!perColumn.empty()) perColumn[c] += term;
            }
    }
    return sum;
}

} // namespace qs
