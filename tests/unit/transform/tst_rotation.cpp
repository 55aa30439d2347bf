// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/rotation.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

namespace {

/// Column j is R e_j.
Matrix matrixOf(const Rotation& r) {
    const size_t n = r.size();
    Matrix images(n, n), m(n, n);
    for (size_t j = 0; j < n; ++j)
        images(j, j) = 1;
    r.turn(images.view());
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j)
            m(i, j) = images(j, i);
    return m;
}

/// Largest |R R^T - I|.
double unorthogonal(const Matrix& m) {
    double worst = 0;
    for (size_t i = 0; i < m.rows(); ++i)
        for (size_t j = 0; j < m.rows(); ++j) {
            double dot = i == j ? -1 : 0;
            for (size_t k = 0; k < m.cols(); ++k)
                dot += double(m(i, k)) * double(m(j, k));
            worst = std::max(worst, std::fabs(dot));
        }
    return worst;
}

double largest(const Matrix& m) {
    double top = 0;
    for (float v : m.span())
        top = std::max(top, std::fabs(double(v)));
    return top;
}

MatrixD momentsOf(size_t n) {
    std::mt19937 random(4);
    std::normal_distribution<double> normal;
    MatrixD x(5 * n, n), moments(n, n);
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t c = 0; c < n; ++c)
            x(t, c) = normal(random) * (c == 3 ? 30 : 1) + (c > 0 ? 0.7 * x(t, c - 1) : 0);
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                moments(i, j) += x(t, i) * x(t, j);
    return moments;
}

/// R M R^T.
MatrixD turned(const Matrix& r, const MatrixD& m) {
    const size_t n = m.rows();
    MatrixD left(n, n), out(n, n);
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j)
            for (size_t k = 0; k < n; ++k)
                left(i, j) += double(r(i, k)) * m(k, j);
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j)
            for (size_t k = 0; k < n; ++k)
                out(i, j) += left(i, k) * double(r(j, k));
    return out;
}

Rotation make(const QString& kind, size_t n, uint64_t seed = 3) {
    if (kind == "hadamard") return Rotation::hadamard(n, seed);
    if (kind == "orthogonal") return Rotation::orthogonal(n, seed);
    return Rotation::karhunenLoeve(momentsOf(n), seed);
}

} // namespace

class Rotations : public QObject {
    Q_OBJECT
private slots:
    void isOrthogonal_data() {
        QTest::addColumn<QString>("kind");
        QTest::addColumn<int>("size");
        QTest::addColumn<bool>("ones");
        for (const RotationInfo& info : rotationKinds())
            for (const int size : {8, 24, 7, 96, 128})
                for (const bool ones : {false, true})
                    QTest::addRow("%s %d%s", info.id, size, ones ? " ones" : "") << info.id << size << ones;
    }
    void isOrthogonal() {
        QFETCH(QString, kind);
        QFETCH(int, size);
        QFETCH(bool, ones);
        Rotation r = make(kind, size_t(size));
        if (ones) r.keepOnes();
        const Matrix m = matrixOf(r);
        const double off = unorthogonal(m);
        QVERIFY2(off <= 2e-6, qPrintable(QString::number(off)));
        double moved = 0, sums = 0;
        for (size_t i = 0; i < m.rows(); ++i) {
            double sum = 0;
            for (size_t j = 0; j < m.cols(); ++j)
                sum += double(m(i, j));
            sums = std::max(sums, std::fabs(sum - 1));
            moved = std::max(moved, std::fabs(double(m(i, i)) - 1));
        }
        QCOMPARE(sums <= 2e-6, ones); // R 1 = 1
        QVERIFY(moved > 0.3);
        // Nothing of a channel stays where it was: an entry is a few times the mean size.
        if (size == 128)
            QVERIFY2(largest(m) <= 6 / std::sqrt(128.0), qPrintable(QString::number(largest(m))));
    }

    void hadamardEntriesHaveOneSize() {
        const Matrix m = matrixOf(Rotation::hadamard(16, 9));
        for (float v : m.span())
            QVERIFY(std::fabs(std::fabs(double(v)) - 0.25) <= 1e-7);
        // Every column is a column of the Hadamard matrix, which are closed under the product of elements.
        double dot = 0;
        for (size_t i = 0; i < 16; ++i)
            dot += double(m(i, 1)) * double(m(i, 2)) * double(m(i, 3)) * double(m(i, 0));
        QVERIFY(std::fabs(std::fabs(dot) - 16 * std::pow(0.25, 4)) <= 1e-7);
    }

    void seedsAndRepeats() {
        for (const char* kind : {"hadamard", "orthogonal"}) {
            const Matrix a = matrixOf(make(kind, 24, 5)), b = matrixOf(make(kind, 24, 5)),
                         c = matrixOf(make(kind, 24, 6));
            QVERIFY(std::equal(a.data(), a.data() + a.size(), b.data()));
            QVERIFY(!std::equal(a.data(), a.data() + a.size(), c.data()));
        }
    }

    void piecesAndColumns() {
        const Rotation r = Rotation::orthogonal(6, 2);
        const Matrix q = matrixOf(r);
        Matrix m(12, 18), rows(12, 18), columns(12, 18);
        for (size_t i = 0; i < m.size(); ++i)
            m.data()[i] = rows.data()[i] = columns.data()[i] = float(std::sin(double(i * i)));
        r.turn(rows.view());
        r.turnColumns(columns.view());
        for (size_t i = 0; i < 12; ++i)
            for (size_t j = 0; j < 18; ++j) {
                double byRow = 0, byColumn = 0;
                for (size_t k = 0; k < 6; ++k) {
                    byRow += double(q(j % 6, k)) * double(m(i, j / 6 * 6 + k));
                    byColumn += double(q(i % 6, k)) * double(m(i / 6 * 6 + k, j));
                }
                QVERIFY(std::fabs(byRow - double(rows(i, j))) <= 1e-6);
                QVERIFY(std::fabs(byColumn - double(columns(i, j))) <= 1e-6);
            }
    }

    /// The variances of all channels are the mean eigenvalue, trace / n; a Hadamard matrix alone leaves them
    /// apart.
    void kltLevelsVariances() {
        const MatrixD moments = momentsOf(16);
        double trace = 0;
        for (size_t i = 0; i < 16; ++i)
            trace += moments(i, i);
        const auto spread = [&](const Rotation& r) {
            const MatrixD after = turned(matrixOf(r), moments);
            double worst = 0;
            for (size_t i = 0; i < 16; ++i)
                worst = std::max(worst, std::fabs(after(i, i) * 16 / trace - 1));
            return worst;
        };
        const double klt = spread(make("klt", 16)), plain = spread(make("hadamard", 16));
        QVERIFY2(klt <= 1e-5, qPrintable(QString::number(klt)));
        QVERIFY2(plain >= 0.05, qPrintable(QString::number(plain)));
    }

    void unknownIdsAreRefused() {
        QVERIFY(findRotation("klt").has_value() && (*findRotation("klt"))->needsMoments);
        const auto none = findRotation("givens");
        QVERIFY(!none && none.error().message.find("hadamard, orthogonal, klt") != std::string::npos);
    }
};

QS_TEST(Rotations)
#include "tst_rotation.moc"
