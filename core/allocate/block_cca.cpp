// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/block_cca.h"

#include "core/evaluate/model_stream.h"
#include "core/evaluate/scored_tokens.h"
#include "core/linalg/blas.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr double kDamping = 0.01; ///< of the mean diagonal

Matrix centred(ConstMatrixView x) {
    Matrix out(x.rows, x.cols);
    std::vector<double> mean(x.cols);
    for (size_t r = 0; r < x.rows; ++r)
        for (size_t c = 0; c < x.cols; ++c)
            mean[c] += double(x(r, c)) / double(x.rows);
    for (size_t r = 0; r < x.rows; ++r)
        for (size_t c = 0; c < x.cols; ++c)
            out(r, c) = float(double(x(r, c)) - mean[c]);
    return out;
}

/// L^-1 of x^T x / rows + damping = L L^T, 0 above the diagonal. Zero x: the factor of the identity.
Result<Matrix> whitening(ConstMatrixView x) {
    const size_t n = x.cols;
    Matrix product(n, n);
    linalg::gemm(true, false, 1.0f / float(x.rows), x, x, 0, product.view());
    MatrixD c(n, n);
    double diagonal = 0;
    for (size_t i = 0; i < n; ++i) {
        diagonal += double(product(i, i)) / double(n);
        for (size_t j = 0; j < n; ++j)
            c(i, j) = double(product(i, j));
    }
    for (size_t i = 0; i < n; ++i)
        c(i, i) += diagonal > 0 ? kDamping * diagonal : 1;
    QS_CHECK(linalg::choleskyLower(c.view()));
    QS_CHECK(linalg::invertLower(c.view()));
    Matrix out(n, n);
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j <= i; ++j)
            out(i, j) = float(c(i, j));
    return out;
}

} // namespace

Result<double> meanSquaredCca(ConstMatrixView x, ConstMatrixView y) {
    if (x.rows != y.rows || x.cols != y.cols || x.rows == 0 || x.cols == 0)
        return Error::invalid(
            fmt::format("[{}, {}] and [{}, {}] cannot be correlated", x.rows, x.cols, y.rows, y.cols));
    const Matrix a = centred(x), b = centred(y);
    QS_TRY(const Matrix left, whitening(a.view()));
    QS_TRY(const Matrix right, whitening(b.view()));
    Matrix cross(x.cols, x.cols), half(x.cols, x.cols), both(x.cols, x.cols);
    linalg::gemm(true, false, 1.0f / float(x.rows), a.view(), b.view(), 0, cross.view());
    linalg::gemm(false, false, 1, left.view(), cross.view(), 0, half.view());
    linalg::gemm(false, true, 1, half.view(), right.view(), 0, both.view());
    double sum = 0;
    for (const float v : both.span())
        sum += double(v) * double(v);
    return std::clamp(sum / double(x.cols), 0.0, 1.0);
}

Result<std::vector<double>> blockCca(const ModelSpec& spec, const WeightSource& weights,
                                     const TokenWindows& text, size_t activationBudgetBytes, Backend& backend,
                                     const JobContext& job) {
    QS_TRY(const ScoredWindows windows, scoredWindows(spec, text, 0));
    QS_TRY(ModelStream stream,
           ModelStream::create(spec, weights, windows.input, activationBudgetBytes, backend));
    const size_t tokens = windows.input.size();
    std::vector<double> out;
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        job.report("Correlate blocks", double(b), double(spec.blocks.size()));
        QS_TRY(const ConstMatrixView hidden, stream.rows(0, tokens));
        Matrix before(tokens, spec.hidden);
        for (size_t r = 0; r < tokens; ++r)
            std::copy_n(hidden.row(r), hidden.cols, before.view().row(r));
        QS_CHECK(stream.runBlock(b, job.silent()));
        QS_TRY(const ConstMatrixView after, stream.rows(0, tokens));
        QS_TRY(const double correlation, meanSquaredCca(before.view(), after));
        out.push_back(correlation);
    }
    return out;
}

} // namespace qs
