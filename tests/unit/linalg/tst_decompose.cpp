// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/decompose.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Decompose : public QObject {
    Q_OBJECT
private slots:
    void twoByTwoByHand() {
        // [[2, 1], [1, 2]]: 3 along (1, 1), 1 along (1, -1)
        MatrixD a(2, 2);
        a(0, 0) = a(1, 1) = 2;
        a(0, 1) = a(1, 0) = 1;
        const auto e = linalg::symmetricEigen(std::as_const(a).view());
        QVERIFY(std::fabs(e.values[0] - 3) < 1e-14 && std::fabs(e.values[1] - 1) < 1e-14);
        QVERIFY(std::fabs(e.vectors(0, 0) - e.vectors(1, 0)) < 1e-14);
        QVERIFY(std::fabs(e.vectors(0, 1) + e.vectors(1, 1)) < 1e-14);
        QVERIFY(std::fabs(std::fabs(e.vectors(0, 0)) - std::sqrt(0.5)) < 1e-14);
    }

    /// Q^T Q = I, and every column of Y is a combination of those of Q.
    void basisOfItsColumns() {
        MatrixD y(7, 3);
        for (size_t i = 0; i < y.size(); ++i)
            y.data()[i] = std::sin(double(i * i + 1));
        const MatrixD before = y.clone();
        linalg::orthonormalizeColumns(y.view());
        const auto dot = [](const MatrixD& a, size_t i, const MatrixD& b, size_t j) {
            double sum = 0;
            for (size_t r = 0; r < a.rows(); ++r)
                sum += a(r, i) * b(r, j);
            return sum;
        };
        for (size_t i = 0; i < 3; ++i)
            for (size_t j = 0; j < 3; ++j)
                QVERIFY(std::fabs(dot(y, i, y, j) - (i == j ? 1 : 0)) < 1e-13);
        for (size_t j = 0; j < 3; ++j)
            for (size_t r = 0; r < 7; ++r) {
                double value = 0;
                for (size_t i = 0; i < 3; ++i)
                    value += y(r, i) * dot(y, i, before, j);
                QVERIFY(std::fabs(value - before(r, j)) < 1e-12);
            }
    }
};

QS_TEST(Decompose)
#include "tst_decompose.moc"
