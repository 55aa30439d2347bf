// SPDX-License-Identifier: Apache-2.0
#include "core/backend/selftest/cases.h"
#include "core/backend/sums.h"

#include <array>
#include <cmath>
#include <fmt/format.h>

namespace qs::selftest {

namespace {

/// y [t, n] = x [t, k] w^T + b.
Result<double> linear(Backend& be, size_t t, size_t k, size_t n) {
    const Matrix x = randomMatrix(t, k, 1), w = randomMatrix(n, k, 2), b = randomMatrix(1, n, 3);
    const Matrix xr = rounded(x, be.precision()), wr = rounded(w, be.precision());
    MatrixD expected(t, n);
    for (size_t i = 0; i < t; ++i)
        for (size_t j = 0; j < n; ++j) {
            double s = b(0, j);
            for (size_t c = 0; c < k; ++c)
                s += double(xr(i, c)) * double(wr(j, c));
            expected(i, j) = s;
        }
    QS_TRY(const Tensor tx, up(be, x));
    QS_TRY(const Tensor tb, up(be, b));
    Tensor tw;
    QS_CHECK(be.uploadWeight(w.view(), tw));
    QS_TRY(Tensor y, be.allocate(t, n));
    QS_CHECK(be.linear(tx, tw, &tb, y));
    return distance(be, y, expected);
}

/// Sigma over two calls; entries relative to the diagonal's.
Result<double> sigma(Backend& be, size_t t, size_t n) {
    MatrixD expected(n, n);
    QS_TRY(const auto moment, be.secondMoment(n));
    for (const uint64_t seed : {20, 21}) {
        const Matrix x = randomMatrix(t, n, seed), xr = rounded(x, be.precision());
        QS_TRY(const Tensor tx, up(be, x));
        QS_CHECK(moment->add(tx));
        for (size_t r = 0; r < t; ++r)
            for (size_t i = 0; i < n; ++i)
                for (size_t j = 0; j < n; ++j)
                    expected(i, j) += double(xr(r, i)) * double(xr(r, j));
    }
    QS_TRY(const MatrixD sum, moment->take());
    double worst = 0;
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j) {
            const double d = std::fabs(sum(i, j) - expected(i, j)) / expected(i, i);
            if (!(d <= worst)) worst = std::isnan(d) ? HUGE_VAL : d;
        }
    return worst;
}

/// By the sum over rows of a; the rows lie in the part of space that Sigma hardly has, and beside it.
Result<double> quadraticForm(Backend& be, size_t m, size_t n) {
    const Matrix a = randomMatrix(m, n, 23), x = randomMatrix(n / 2 + 1, n, 24);
    MatrixD sigma(n, n);
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                sigma(i, j) += double(x(t, i)) * double(x(t, j));
    double expected = 0;
    for (size_t r = 0; r < m; ++r)
        for (size_t t = 0; t < x.rows(); ++t) {
            double s = 0;
            for (size_t i = 0; i < n; ++i)
                s += double(a(r, i)) * double(x(t, i));
            expected += s * s;
        }
    QS_TRY(const double got, be.quadraticForm(a.view(), sigma));
    const double d = std::fabs(got - expected) / (1 + expected);
    return std::isnan(d) ? HUGE_VAL : d;
}

/// c [m, n] -= 0.5 a^T b, a [k, m], b [k, n].
Result<double> addProduct(Backend& be, size_t k, size_t m, size_t n) {
    const Matrix a = randomMatrix(k, m, 40), b = randomMatrix(k, n, 41);
    Matrix c = randomMatrix(m, n, 42);
    MatrixD expected = toDouble(c);
    for (size_t i = 0; i < m; ++i)
        for (size_t j = 0; j < n; ++j)
            for (size_t l = 0; l < k; ++l)
                expected(i, j) -= 0.5 * double(a(l, i)) * double(b(l, j));
    QS_TRY(const Tensor ta, up(be, a));
    QS_TRY(const Tensor tb, up(be, b));
    QS_TRY(const Tensor tc, up(be, c));
    QS_CHECK(be.addProduct(-0.5f, tc, ta, tb));
    return distance(be, tc, expected);
}

/// The same of parts of larger matrices; what is around c stays.
Result<double> addProductOfParts(Backend& be) {
    const Matrix a = randomMatrix(40, 50, 43), b = randomMatrix(30, 70, 44);
    Matrix c = randomMatrix(60, 80, 45);
    constexpr size_t m = 20, n = 33, k = 11;
    MatrixD expected = toDouble(c);
    for (size_t i = 0; i < m; ++i)
        for (size_t j = 0; j < n; ++j)
            for (size_t l = 0; l < k; ++l)
                expected(5 + i, 7 + j) += 2 * double(a(4 + l, 6 + i)) * double(b(3 + l, 8 + j));
    QS_TRY(const Tensor ta, up(be, a));
    QS_TRY(const Tensor tb, up(be, b));
    QS_TRY(const Tensor tc, up(be, c));
    QS_CHECK(be.addProduct(2, TensorBlock(tc).block(5, m, 7, n), TensorBlock(ta).block(4, k, 6, m),
                           TensorBlock(tb).block(3, k, 8, n)));
    return distance(be, tc, expected);
}

/// Rows of a tensor, written and read alone.
Result<double> rowCopies(Backend& be) {
    Matrix all = randomMatrix(9, 31, 46);
    const Matrix some = randomMatrix(3, 31, 47);
    QS_TRY(const Tensor t, up(be, all));
    Matrix storage;
    QS_TRY(const MatrixView to, be.hostStorage(TensorBlock(t).rowsOf(4, 3), storage));
    std::copy_n(some.data(), some.size(), to.data);
    QS_CHECK(be.write(to, TensorBlock(t).rowsOf(4, 3)));
    std::copy_n(some.data(), some.size(), all.row(4));
    Tensor scaled = t;
    QS_CHECK(be.softCap(scaled, 1e9f)); // as good as nothing: copies wait for what was begun
    Matrix back(5, 31);
    QS_CHECK(be.download(TensorBlock(t).rowsOf(2, 5), back.view()));
    double worst = 0;
    for (size_t r = 0; r < 5; ++r)
        for (size_t c = 0; c < 31; ++c)
            if (!(std::fabs(back(r, c) - all(2 + r, c)) <= 1e-6)) worst = HUGE_VAL;
    QS_TRY(const double whole, distance(be, t, toDouble(all)));
    return std::max(worst, whole);
}

} // namespace

void addProducts(Cases& cases, Precision precision) {
    const std::string suffix =
        precision == Precision::F32 ? "" : fmt::format(" {}", precisionName(precision));
    for (const auto& [t, k, n] : {std::array<size_t, 3>{1, 1, 1},
                                  {7, 33, 5},
                                  {130, 172, 64},
                                  {64, 256, 300},
                                  {1, 520, 2100},
                                  {300, 96, 2100}})
        cases.push_back({"linear" + suffix, fmt::format("x [{0}, {1}], w [{2}, {1}]", t, k, n), 1e-4,
                         [t = t, k = k, n = n](Backend& be) { return linear(be, t, k, n); }});
    for (const auto& [t, n] : {std::array<size_t, 2>{1500, 77}, {2500, 20}, {3, 300}, {60, 1400}})
        cases.push_back({"Sigma" + suffix, fmt::format("x [{}, {}]", t, n), 1e-5,
                         [t = t, n = n](Backend& be) { return sigma(be, t, n); }});
    for (const auto& [m, n] : {std::array<size_t, 2>{1, 1}, {70, 33}, {2100, 20}, {5, 1400}})
        cases.push_back({"quadratic form", fmt::format("a [{}, {}]", m, n), 1e-5,
                         [m = m, n = n](Backend& be) { return quadraticForm(be, m, n); }});
    for (const auto& [k, m, n] : {std::array<size_t, 3>{13, 21, 17}, {128, 200, 130}})
        cases.push_back({"add product", fmt::format("a [{0}, {1}], b [{0}, {2}]", k, m, n), 1e-5,
                         [k = k, m = m, n = n](Backend& be) { return addProduct(be, k, m, n); }});
    cases.push_back({"add product", "parts of matrices", 1e-5, addProductOfParts});
    cases.push_back({"copies", "rows of x [9, 31]", 1e-6, rowCopies});
}

} // namespace qs::selftest
