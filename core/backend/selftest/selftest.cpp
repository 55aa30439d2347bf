// SPDX-License-Identifier: Apache-2.0
#include "core/backend/selftest/selftest.h"

#include "core/backend/selftest/cases.h"
#include "core/tensor/dtype.h"

#include <cmath>
#include <limits>

namespace qs {

namespace selftest {

Matrix randomMatrix(size_t rows, size_t cols, uint64_t seed, double scale) {
    Matrix m(rows, cols);
    uint64_t state = seed * 0x9E3779B97F4A7C15u;
    for (float& v : m.span()) {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        v = float(scale * (double((z ^ (z >> 31)) >> 11) * 0x1.0p-52 - 1.0));
    }
    return m;
}

MatrixD toDouble(const Matrix& m) {
    MatrixD d(m.rows(), m.cols());
    std::copy_n(m.data(), m.size(), d.data());
    return d;
}

Matrix rounded(const Matrix& m, Precision precision) {
    Matrix out = m.clone();
    if (precision == Precision::BF16)
        for (float& v : out.span())
            v = bfloatToFloat(floatToBfloat(v));
    return out;
}

double distance(ConstMatrixView a, const MatrixD& b) {
    double worst = 0;
    for (size_t r = 0; r < a.rows; ++r)
        for (size_t c = 0; c < a.cols; ++c) {
            const double d = std::fabs(double(a(r, c)) - b(r, c)) / (1 + std::fabs(b(r, c)));
            if (!(d <= worst)) worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
        }
    return worst;
}

Result<Tensor> up(Backend& backend, const Matrix& m) {
    Tensor t;
    QS_CHECK(backend.upload(m.view(), t));
    return t;
}

Result<Matrix> down(Backend& backend, const Tensor& t) {
    Matrix m(t.rows, t.cols);
    QS_CHECK(backend.download(t, m.view()));
    return m;
}

Result<double> distance(Backend& backend, const Tensor& t, const MatrixD& expected) {
    QS_TRY(const Matrix m, down(backend, t));
    return distance(m.view(), expected);
}

} // namespace selftest

std::vector<SelftestCase> selftestCases(Precision precision) {
    selftest::Cases cases;
    selftest::addProducts(cases, precision);
    selftest::addSolver(cases);
    selftest::addRowOperations(cases);
    selftest::addAttention(cases);
    selftest::addCodes(cases);
    selftest::addSums(cases);
    return cases;
}

SelftestOutcome runSelftest(const SelftestCase& c, Backend& backend) {
    SelftestOutcome out;
    const auto error = c.run(backend);
    if (!error) {
        out.problem = error.error().describe();
        return out;
    }
    out.error = *error;
    out.passed = *error <= c.tolerance; // false for NaN
    return out;
}

} // namespace qs
