// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/ridge.h"

#include "core/linalg/blas.h"

namespace qs {

namespace {

double dot(std::span<const double> a, std::span<const double> b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i)
        sum += a[i] * b[i];
    return sum;
}

std::span<const double> rowOf(const MatrixD& m, size_t r) {
    return {m.data() + r * m.cols(), m.cols()};
}

} // namespace

Result<Ridge> Ridge::fit(const MatrixD& x, std::span<const double> prior, std::span<const double> y,
                         double share) {
    const size_t n = y.size();
    Ridge out;
    const double square = dot(prior, prior);
    if (square > 0) out.scale_ = dot(prior, y) / square;
    out.weights_.resize(x.cols());
    MatrixD k(n, n);
    double diagonal = 0;
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j)
            k(i, j) = dot(rowOf(x, i), rowOf(x, j));
        diagonal += k(i, i) / double(n);
    }
    if (!(diagonal > 0)) return out;
    for (size_t i = 0; i < n; ++i)
        k(i, i) += share * diagonal;
    QS_CHECK(linalg::choleskyLower(k.view()));
    std::vector<double> dual(n); // L L^T dual = y - scale prior
    for (size_t i = 0; i < n; ++i) {
        dual[i] = y[i] - out.scale_ * prior[i];
        for (size_t j = 0; j < i; ++j)
            dual[i] -= k(i, j) * dual[j];
        dual[i] /= k(i, i);
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = i + 1; j < n; ++j)
            dual[i] -= k(j, i) * dual[j];
        dual[i] /= k(i, i);
    }
    for (size_t i = 0; i < n; ++i)
        for (size_t f = 0; f < x.cols(); ++f)
            out.weights_[f] += dual[i] * x(i, f);
    return out;
}

double Ridge::predict(double prior, std::span<const double> features) const {
    return scale_ * prior + dot(weights_, features);
}

} // namespace qs
