// SPDX-License-Identifier: Apache-2.0
#include "core/quant/method.h"

#include "core/linalg/blas.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const MethodDescriptor& method_##id();
#include "qs/methods.inc"
#undef QS_ENTRY

std::span<const MethodDescriptor* const> methods() {
#define QS_ENTRY(id) &method_##id(),
    static const MethodDescriptor* const table[] = {
#include "qs/methods.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const MethodDescriptor*> findMethod(const std::string& id) {
    std::string known;
    for (const MethodDescriptor* d : methods()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no method '{}'; known: {}", id, known));
}

const char* needsName(Needs needs) {
    return needs == Needs::Sigma ? "sigma" : "data-free";
}

namespace {

// tr(A Sigma A^T) = sum of the elementwise product of A and A Sigma, row block by row block. Sigma is rounded
// to float32 after dividing by its largest diagonal entry; the sums are float64.
double weightedNorm(ConstMatrixView a, const Matrix& sigma) {
    constexpr size_t kRows = 256;
    Matrix product(std::min(kRows, a.rows), a.cols);
    double sum = 0;
    for (size_t first = 0; first < a.rows; first += kRows) {
        const size_t n = std::min(kRows, a.rows - first);
        const MatrixView p = product.view().block(0, n, 0, a.cols);
        linalg::gemm(false, false, 1.0f, a.block(first, n, 0, a.cols), sigma.view(), 0.0f, p);
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < a.cols; ++c)
                sum += double(a(first + r, c)) * double(p(r, c));
    }
    return sum;
}

} // namespace

Result<QuantError> measureError(ConstMatrixView weight, ConstMatrixView dequantized, const MatrixD* sigma) {
    if (weight.rows != dequantized.rows || weight.cols != dequantized.cols)
        return Error::invalid("weight and dequantized matrix differ in shape");
    QuantError e;
    Matrix difference(weight.rows, weight.cols);
    double errorSum = 0, weightSum = 0;
    for (size_t r = 0; r < weight.rows; ++r)
        for (size_t c = 0; c < weight.cols; ++c) {
            const float d = weight(r, c) - dequantized(r, c);
            difference(r, c) = d;
            errorSum += double(d) * double(d);
            weightSum += double(weight(r, c)) * double(weight(r, c));
            if (!(std::fabs(double(d)) <= e.maxAbs)) e.maxAbs = std::fabs(double(d)); // keeps a NaN
        }
    e.weight = weightSum > 0 ? errorSum / weightSum : errorSum;
    if (!sigma) return e;
    if (sigma->rows() != weight.cols || sigma->cols() != weight.cols)
        return Error::invalid(fmt::format("Sigma is [{}, {}] for a row length of {}", sigma->rows(),
                                          sigma->cols(), weight.cols));
    double top = 0;
    for (size_t i = 0; i < sigma->rows(); ++i)
        top = std::max(top, (*sigma)(i, i));
    if (top <= 0) return e;
    Matrix scaled(sigma->rows(), sigma->cols());
    for (size_t i = 0; i < scaled.size(); ++i)
        scaled.data()[i] = float(sigma->data()[i] / top);
    const double reference = weightedNorm(weight, scaled);
    e.output = reference > 0 ? std::max(0.0, weightedNorm(difference.view(), scaled)) / reference : 0;
    return e;
}

} // namespace qs
