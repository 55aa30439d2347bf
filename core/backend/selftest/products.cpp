// SPDX-License-Identifier: Apache-2.0
#include "core/backend/selftest/cases.h"
#include "core/linalg/second_moment.h"

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
    MatrixD sum(n, n), expected(n, n);
    for (const uint64_t seed : {20, 21}) {
        const Matrix x = randomMatrix(t, n, seed), xr = rounded(x, be.precision());
        QS_TRY(const Tensor tx, up(be, x));
        QS_CHECK(be.accumulateSigma(tx, sum));
        for (size_t r = 0; r < t; ++r)
            for (size_t i = 0; i < n; ++i)
                for (size_t j = 0; j < n; ++j)
                    expected(i, j) += double(xr(r, i)) * double(xr(r, j));
    }
    linalg::mirrorUpper(sum.view());
    double worst = 0;
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j) {
            const double d = std::fabs(sum(i, j) - expected(i, j)) / expected(i, i);
            if (!(d <= worst)) worst = std::isnan(d) ? HUGE_VAL : d;
        }
    return worst;
}

/// R of H = R R^T by elimination from the last column: a positive diagonal determines it.
Result<double> upperFactor(Backend& be, size_t n) {
    const Matrix a = randomMatrix(2 * n + 3, n, 30);
    MatrixD h(n, n);
    for (size_t t = 0; t < a.rows(); ++t)
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                h(i, j) += double(a(t, i)) * double(a(t, j));
    QS_TRY(const MatrixD factor, be.upperFactor(h.clone()));
    MatrixD rest = h.clone();
    double worst = 0;
    for (size_t p = n; p-- > 0;) {
        const double pivot = rest(p, p);
        for (size_t i = 0; i < n; ++i) {
            const double expected = i > p ? 0 : rest(i, p) / std::sqrt(pivot),
                         d = std::fabs(factor(i, p) - expected) / std::sqrt(h(i, i));
            if (!(d <= worst)) worst = std::isnan(d) ? HUGE_VAL : d;
        }
        for (size_t i = 0; i < p; ++i)
            for (size_t j = 0; j < p; ++j)
                rest(i, j) -= rest(i, p) * rest(p, j) / pivot;
    }
    return worst;
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
    QS_CHECK(be.addProduct(-0.5f, c.view(), a.view(), b.view()));
    return distance(c.view(), expected);
}

/// The recursion on a 4-bit grid. Codes may differ where a weight stands half-way between two grid points:
/// each later column is therefore expected from the codes that the backend chose, and a code is right when
/// its grid point is the nearest one but for rounding.
Result<double> gptqColumns(Backend& be, size_t columns, size_t rows) {
    const Matrix original = randomMatrix(columns, rows, 50);
    Matrix weight = original.clone(), error(columns, rows), dequantized(columns, rows), scale(columns, rows),
           zero(columns, rows), factor(columns, columns);
    MatrixT<uint8_t> codes(columns, rows);
    const Matrix offsets = randomMatrix(columns, columns, 51, 0.1);
    for (size_t i = 0; i < columns; ++i)
        for (size_t j = i; j < columns; ++j)
            factor(i, j) = i == j ? 0.8f : offsets(i, j);
    for (size_t i = 0; i < scale.size(); ++i) {
        scale.data()[i] = 0.13f;
        zero.data()[i] = 7;
    }
    constexpr int kMaxCode = 15;
    QS_CHECK(be.gptqColumnBlock({weight.view(), error.view(), dequantized.view(), factor.view(), codes.view(),
                                 scale.view(), zero.view(), kMaxCode}));
    MatrixD now = toDouble(original);
    double worst = 0;
    const auto see = [&](double d) {
        if (!(d <= worst)) worst = std::isnan(d) ? HUGE_VAL : d;
    };
    for (size_t i = 0; i < columns; ++i)
        for (size_t r = 0; r < rows; ++r) {
            const double w = now(i, r), step = double(scale(i, r)), value = step * (codes(i, r) - 7.0),
                         nearest =
                             step * (std::clamp(std::nearbyint(w / step) + 7.0, 0.0, double(kMaxCode)) - 7.0),
                         e = (w - value) / double(factor(i, i));
            see(std::fabs(w - value) - std::fabs(w - nearest));
            see(std::fabs(double(dequantized(i, r)) - value));
            see(std::fabs(double(error(i, r)) - e));
            for (size_t j = i + 1; j < columns; ++j)
                now(j, r) -= double(factor(i, j)) * e;
        }
    return worst;
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
    for (const size_t n : {1, 83, 200, 600})
        cases.push_back({"upper factor", fmt::format("H [{0}, {0}]", n), 1e-9,
                         [n](Backend& be) { return upperFactor(be, n); }});
    for (const auto& [k, m, n] : {std::array<size_t, 3>{13, 21, 17}, {128, 200, 130}})
        cases.push_back({"add product", fmt::format("a [{0}, {1}], b [{0}, {2}]", k, m, n), 1e-5,
                         [k = k, m = m, n = n](Backend& be) { return addProduct(be, k, m, n); }});
    for (const auto& [c, r] : {std::array<size_t, 2>{1, 1}, {16, 70}, {128, 33}})
        cases.push_back({"GPTQ columns", fmt::format("w [{}, {}]", c, r), 1e-4,
                         [c = c, r = r](Backend& be) { return gptqColumns(be, c, r); }});
}

} // namespace qs::selftest
