// SPDX-License-Identifier: Apache-2.0
// Triangular inverses, small ones (plain loops) and large ones (the library), quadratic forms and transposed
// copies by tiles.
#include "core/backend/selftest/cases.h"
#include "core/linalg/blas.h"
#include "core/linalg/second_moment.h"
#include "core/linalg/transpose.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;
using selftest::randomMatrix;

class TriangleTest : public QObject {
    Q_OBJECT
private slots:
    void inverse_data() {
        QTest::addColumn<int>("order");
        for (const int n : {1, 2, 128, 256, 257})
            QTest::addRow("%d", n) << n;
    }
    // L X = I, in a part of a larger matrix; what is above the diagonal is left alone.
    void inverse() {
        QFETCH(int, order);
        const size_t n = size_t(order);
        const Matrix values = randomMatrix(n, n, 1, 0.2);
        MatrixD whole(n + 3, n + 5), x(n, n);
        std::fill_n(whole.data(), whole.size(), 7.0);
        const MatrixViewT<double> l = whole.view().block(2, n, 3, n);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j <= i; ++j)
                l(i, j) = i == j ? 1.5 + double(values(i, j)) : double(values(i, j)) / std::sqrt(double(n));
        MatrixD before(n, n);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j <= i; ++j)
                before(i, j) = l(i, j);
        QS_VERIFY_OK(linalg::invertLower(l));
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j) {
                double sum = 0;
                for (size_t k = j; k <= i; ++k)
                    sum += before(i, k) * l(k, j);
                if (j <= i) QVERIFY(std::fabs(sum - double(i == j)) <= 1e-11);
                if (j > i) QCOMPARE(l(i, j), 7.0);
            }
        QCOMPARE(whole(0, 0), 7.0);
        QCOMPARE(whole(n + 2, n + 4), 7.0);
    }
    void singular() {
        for (const size_t n : {3, 300}) {
            MatrixD l(n, n);
            for (size_t i = 0; i < n; ++i)
                l(i, i) = i == 1 ? 0 : 1;
            const auto r = linalg::invertLower(l.view());
            QVERIFY(!r);
            QVERIFY2(r.error().describe().find("pivot 2 of " + std::to_string(n)) != std::string::npos,
                     r.error().describe().c_str());
        }
    }
    // Whole and broken tiles, out of a larger matrix and into one.
    void transposed() {
        for (const auto& [rows, cols] :
             {std::pair<size_t, size_t>{1, 1}, {16, 16}, {70, 33}, {5, 200}, {130, 200}}) {
            const Matrix from = randomMatrix(rows + 2, cols + 3, 4);
            Matrix to(cols + 1, rows + 7);
            std::fill_n(to.data(), to.size(), 9.0f);
            linalg::transpose<float>(from.view().block(1, rows, 2, cols), to.view().block(0, cols, 5, rows));
            for (size_t r = 0; r < to.rows(); ++r)
                for (size_t c = 0; c < to.cols(); ++c)
                    QCOMPARE(to(r, c), r < cols && c >= 5 && c < 5 + rows ? from(1 + c - 5, 2 + r) : 9.0f);
        }
        MatrixT<uint8_t> bytes(200, 131), turned(131, 200);
        for (size_t i = 0; i < bytes.size(); ++i)
            bytes.data()[i] = uint8_t(i * 7 + i / 256);
        linalg::transpose(std::as_const(bytes).view(), turned.view());
        for (size_t r = 0; r < bytes.rows(); ++r)
            for (size_t c = 0; c < bytes.cols(); ++c)
                QCOMPARE(turned(c, r), bytes(r, c));
    }
    /// Several tiles and a broken one; the lower triangle is left as it was.
    void secondMoment() {
        const size_t n = 1300, tokens = 9;
        const Matrix x = randomMatrix(tokens, n, 6);
        const int threads = linalg::threads();
        for (const int now : {1, 3}) {
            linalg::setThreads(now);
            MatrixD sigma(n, n);
            std::fill_n(sigma.data(), sigma.size(), 0.5);
            linalg::addSecondMoment(x.view(), sigma.view());
            for (size_t i = 0; i < n; ++i)
                for (size_t j = 0; j < n; ++j) {
                    double expected = 0.5;
                    for (size_t t = 0; t < tokens && j >= i; ++t)
                        expected += double(x(t, i)) * double(x(t, j));
                    QVERIFY(std::fabs(sigma(i, j) - expected) <= 1e-5);
                }
        }
        linalg::setThreads(threads);
    }
    // Several tiles, and rows whose share of Sigma cancels to almost nothing.
    void quadraticForm() {
        const size_t n = 1300, m = 9;
        Matrix a = randomMatrix(m, n, 2);
        MatrixD sigma(n, n);
        const Matrix d = randomMatrix(1, n, 3);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                sigma(i, j) = double(d(0, i)) * double(d(0, j)) * 100 + (i == j ? 0.01 : 0);
        for (size_t r = 0; r < m; ++r) { // rows that hardly see the large direction
            double along = 0, size = 0;
            for (size_t i = 0; i < n; ++i) {
                along += double(a(r, i)) * double(d(0, i));
                size += double(d(0, i)) * double(d(0, i));
            }
            for (size_t i = 0; i < n; ++i)
                a(r, i) = float(double(a(r, i)) - along / size * double(d(0, i)));
        }
        double expected = 0;
        for (size_t r = 0; r < m; ++r)
            for (size_t i = 0; i < n; ++i)
                for (size_t j = 0; j < n; ++j)
                    expected += double(a(r, i)) * sigma(i, j) * double(a(r, j));
        const double got = linalg::quadraticForm(a.view(), sigma.view());
        qInfo("%.9g, expected %.9g", got, expected);
        QVERIFY(std::fabs(got - expected) <= 2e-3 * expected);
        const int threads = linalg::threads();
        linalg::setThreads(1);
        const double alone = linalg::quadraticForm(a.view(), sigma.view());
        linalg::setThreads(threads);
        QCOMPARE(got, alone);
    }
};

QS_TEST(TriangleTest)
#include "tst_triangle.moc"
