// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/key_codebook.h"

#include "core/linalg/blas.h"
#include "core/linalg/kmeans.h"

#include <cmath>

namespace qs {

namespace {

constexpr double kDamping = 1e-4;

/// L of H = L L^T, scaled to a mean diagonal of 1 and damped; the lower triangle alone.
Result<MatrixD> factorOf(MatrixViewT<const double> h) {
    const size_t d = h.rows;
    double mean = 0;
    for (size_t i = 0; i < d; ++i)
        mean += h(i, i) / double(d);
    MatrixD l(d, d);
    for (size_t i = 0; i < d; ++i)
        for (size_t j = 0; j <= i; ++j)
            l(i, j) = (mean > 0 ? h(i, j) / mean : 0) + (i == j ? (mean > 0 ? kDamping : 1.0) : 0.0);
    QS_CHECK(linalg::choleskyLower(l.view()));
    return l;
}

/// rows of `to` from `first` on = transposed lower triangle.
void putTransposed(const MatrixD& lower, size_t first, Matrix& to) {
    for (size_t i = 0; i < lower.rows(); ++i)
        for (size_t j = i; j < lower.cols(); ++j)
            to(first + i, j) = float(lower(j, i));
}

} // namespace

Result<KeyCodebook> fitKeyCodebook(ConstMatrixView keys, MatrixViewT<const double> metric, size_t length,
                                   size_t bits, const JobContext& job) {
    KeyCodebook out;
    out.headDim = metric.cols;
    out.heads = metric.rows / metric.cols;
    out.length = length;
    out.count = size_t(1) << (bits * length);
    const size_t d = out.headDim, perHead = d / length;
    out.whiten = Matrix(out.heads * d, d);
    out.unwhiten = Matrix(out.heads * d, d);
    out.centers = Matrix(out.heads * perHead * out.count, length);
    Matrix white(keys.rows, d);
    for (size_t h = 0; h < out.heads; ++h) {
        QS_TRY(MatrixD l, factorOf(metric.block(h * d, d, 0, d)));
        putTransposed(l, h * d, out.whiten);
        QS_CHECK(linalg::invertLower(l.view()));
        putTransposed(l, h * d, out.unwhiten);
        linalg::gemm(false, true, 1.0f, keys.block(0, keys.rows, h * d, d),
                     std::as_const(out.whiten).view().block(h * d, d, 0, d), 0.0f, white.view());
        for (size_t p = 0; p < perHead; ++p) {
            QS_CHECK(job.checkpoint());
            Matrix points(keys.rows, length);
            for (size_t t = 0; t < keys.rows; ++t)
                std::copy_n(white.row(t) + p * length, length, points.row(t));
            linalg::KMeansOptions options;
            options.clusters = out.count;
            const Matrix centers = linalg::kMeans(std::as_const(points).view(), {}, options);
            std::copy_n(centers.data(), centers.size(), out.centers.row((h * perHead + p) * out.count));
        }
    }
    return out;
}

} // namespace qs
