// SPDX-License-Identifier: Apache-2.0
#include "core/quant/low_rank/low_rank.h"

#include "core/base/gaussian.h"
#include "core/linalg/blas.h"
#include "core/linalg/decompose.h"
#include "core/tensor/dtype.h"

#include <cmath>

namespace qs {

namespace {

Matrix toFloat(const MatrixD& m, double factor = 1) {
    Matrix out(m.rows(), m.cols());
    for (size_t i = 0; i < m.size(); ++i)
        out.data()[i] = float(m.data()[i] * factor);
    return out;
}

float half(double value) {
    return halfToFloat(floatToHalf(float(value)));
}

class Subspace {
public:
    Subspace(ConstMatrixView error, size_t rank, const MatrixD* sigma)
        : error_(error), rank_(rank), basis_(error.rows, std::min({rank + 10, error.rows, error.cols})) {
        if (!sigma) return;
        double trace = 0;
        for (size_t i = 0; i < sigma->rows(); ++i)
            trace += (*sigma)(i, i);
        sigma_ = toFloat(*sigma, trace > 0 ? double(sigma->rows()) / trace : 1);
    }

    Result<LowRank> find(uint64_t seed, const JobContext& job) {
        constexpr int kIterations = 8;
        std::mt19937_64 random(seed);
        for (double& v : basis_.span())
            v = gaussian(random);
        linalg::orthonormalizeColumns(basis_.view());
        for (int i = 0; i < kIterations; ++i) {
            QS_CHECK(job.checkpoint());
            // Y = E Sigma E^T Y
            const Matrix projected = weighted(project());
            Matrix next(error_.rows, projected.cols());
            linalg::gemm(false, false, 1, error_, projected.view(), 0, next.view());
            for (size_t j = 0; j < next.size(); ++j)
                basis_.data()[j] = double(next.data()[j]);
            linalg::orthonormalizeColumns(basis_.view());
        }
        return product();
    }

private:
    /// E^T Y [n, k].
    Matrix project() const {
        const Matrix y = toFloat(basis_);
        Matrix out(error_.cols, y.cols());
        linalg::gemm(true, false, 1, error_, y.view(), 0, out.view());
        return out;
    }

    /// Sigma x.
    Matrix weighted(Matrix x) const {
        if (sigma_.empty()) return x;
        Matrix out(x.rows(), x.cols());
        linalg::gemm(false, false, 1, sigma_.view(), x.view(), 0, out.view());
        return out;
    }

    /// Turns the basis so that its first columns are the leading eigenvectors within it.
    LowRank product() const {
        const Matrix projected = project();
        const Matrix other = weighted(projected.clone());
        const size_t k = projected.cols();
        MatrixD gram(k, k);
        for (size_t i = 0; i < k; ++i)
            for (size_t j = 0; j <= i; ++j) {
                double sum = 0;
                for (size_t c = 0; c < projected.rows(); ++c)
                    sum += double(projected(c, i)) * double(other(c, j));
                gram(i, j) = sum;
            }
        const auto eigen = linalg::symmetricEigen(std::as_const(gram).view());
        LowRank out{Matrix(error_.rows, rank_), Matrix(rank_, error_.cols)};
        std::vector<double> a(error_.rows), b(error_.cols);
        for (size_t i = 0; i < rank_; ++i) {
            combine(basis_, eigen.vectors, i, a);
            combine(projected, eigen.vectors, i, b);
            double square = 0;
            for (const double v : b)
                square += v * v;
            const double balance = std::sqrt(std::sqrt(square)); // |a| = 1: the root of |b|
            for (size_t r = 0; r < a.size(); ++r)
                out.a(r, i) = half(a[r] * balance);
            for (size_t c = 0; c < b.size(); ++c)
                out.b(i, c) = balance > 0 ? half(b[c] / balance) : 0.0f;
        }
        return out;
    }

    /// m times column i of the vectors.
    template<class M>
    static void combine(const M& m, const MatrixD& vectors, size_t i, std::vector<double>& out) {
        for (size_t r = 0; r < m.rows(); ++r) {
            double sum = 0;
            for (size_t k = 0; k < m.cols(); ++k)
                sum += double(m(r, k)) * vectors(k, i);
            out[r] = sum;
        }
    }

    ConstMatrixView error_;
    size_t rank_;
    MatrixD basis_; ///< [m, k], orthonormal columns
    Matrix sigma_;  ///< mean diagonal 1; empty: the identity
};

} // namespace

Result<LowRank> lowRankOf(ConstMatrixView error, size_t rank, const MatrixD* sigma, uint64_t seed,
                          const JobContext& job) {
    if (rank == 0) return LowRank();
    return Subspace(error, rank, sigma).find(seed, job);
}

size_t usableRank(long long rank, size_t rows, size_t cols) {
    return std::min({size_t(std::max(0LL, rank)), rows, cols});
}

} // namespace qs
