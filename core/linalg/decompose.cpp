// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/decompose.h"

#include "core/base/gaussian.h"

#include <Eigen/Dense>

namespace qs::linalg {

namespace {
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
}

void orthonormalizeColumns(MatrixViewT<double> y) {
    assert(y.contiguous() && y.rows >= y.cols);
    Eigen::Map<RowMajor> map(y.data, Eigen::Index(y.rows), Eigen::Index(y.cols));
    const Eigen::HouseholderQR<Eigen::MatrixXd> qr(map);
    map = qr.householderQ() * Eigen::MatrixXd::Identity(map.rows(), map.cols());
}

MatrixD randomOrthogonal(size_t n, std::mt19937_64& random) {
    MatrixD q(n, n);
    for (double& v : q.span())
        v = gaussian(random);
    orthonormalizeColumns(q.view());
    return q;
}

SymmetricEigen symmetricEigen(MatrixViewT<const double> a) {
    assert(a.contiguous() && a.rows == a.cols);
    const auto n = Eigen::Index(a.rows);
    const Eigen::Map<const RowMajor> map(a.data, n, n);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(map);
    SymmetricEigen out{std::vector<double>(a.rows), MatrixD(a.rows, a.rows)};
    for (Eigen::Index i = 0; i < n; ++i) { // Eigen's are ascending
        out.values[size_t(i)] = solver.eigenvalues()(n - 1 - i);
        for (Eigen::Index r = 0; r < n; ++r)
            out.vectors(size_t(r), size_t(i)) = solver.eigenvectors()(r, n - 1 - i);
    }
    return out;
}

} // namespace qs::linalg
