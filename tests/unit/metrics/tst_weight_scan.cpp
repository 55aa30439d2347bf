// SPDX-License-Identifier: Apache-2.0
// The overview's scan against plain loops in two passes.
#include "core/linalg/blas.h"
#include "core/metrics/weight_scan.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <random>

using namespace qs;

namespace {

struct Plain {
    double absmax = 0, mean = 0, stddev = 0, kurtosis = 0;
    std::vector<float> rows, cols;
};

Plain plain(const Matrix& m) {
    Plain p;
    p.rows.assign(m.rows(), 0);
    p.cols.assign(m.cols(), 0);
    double n = 0, m2 = 0, m4 = 0;
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t c = 0; c < m.cols(); ++c) {
            const float v = m.row(r)[c];
            if (!std::isfinite(v)) continue;
            ++n;
            p.mean += v;
            p.rows[r] = std::max(p.rows[r], std::fabs(v));
            p.cols[c] = std::max(p.cols[c], std::fabs(v));
            p.absmax = std::max(p.absmax, std::fabs(double(v)));
        }
    if (n == 0) return p;
    p.mean /= n;
    for (size_t r = 0; r < m.rows(); ++r)
        for (size_t c = 0; c < m.cols(); ++c)
            if (std::isfinite(m.row(r)[c])) {
                const double d = m.row(r)[c] - p.mean;
                m2 += d * d;
                m4 += d * d * d * d;
            }
    p.stddev = std::sqrt(m2 / n);
    p.kurtosis = m2 > 0 ? m4 / m2 * n / m2 : 0;
    return p;
}

Matrix gaussian(size_t rows, size_t cols, double mean, double stddev, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(mean, stddev);
    Matrix m(rows, cols);
    for (size_t i = 0; i < m.size(); ++i)
        m.data()[i] = float(normal(random));
    return m;
}

bool near(double a, double b, double relative) {
    return std::fabs(a - b) <= relative * std::max(std::fabs(b), 1e-30);
}

} // namespace

class WeightScanTest : public QObject {
    Q_OBJECT

    static void compare(const Matrix& m) {
        const Plain p = plain(m);
        const auto s = scanWeights(m.view(), {});
        QS_VERIFY_OK(s);
        QCOMPARE(s->absmax, p.absmax);
        QCOMPARE(s->outputAbsmax, p.rows);
        QCOMPARE(s->inputAbsmax, p.cols);
        QVERIFY2(std::fabs(s->mean - p.mean) <= 1e-6 * (p.stddev + std::fabs(p.mean)),
                 qPrintable(QString("%1 %2").arg(s->mean).arg(p.mean)));
        QVERIFY2(near(s->stddev, p.stddev, 1e-6), qPrintable(QString("%1 %2").arg(s->stddev).arg(p.stddev)));
        QVERIFY2(near(s->kurtosis, p.kurtosis, 1e-5),
                 qPrintable(QString("%1 %2").arg(s->kurtosis).arg(p.kurtosis)));
    }

private slots:
    void asPlainLoops_data() {
        QTest::addColumn<int>("rows");
        QTest::addColumn<int>("cols");
        QTest::addColumn<double>("mean");
        QTest::addColumn<double>("stddev");
        QTest::newRow("one value") << 1 << 1 << 0.5 << 1.0;
        QTest::newRow("a row") << 1 << 77 << 0.0 << 1.0;
        QTest::newRow("a column") << 300 << 1 << 0.0 << 1.0;
        QTest::newRow("odd") << 129 << 1025 << 0.0 << 0.02;
        QTest::newRow("many stripes") << 2500 << 130 << 0.0 << 0.02;
        QTest::newRow("long rows") << 3 << 70001 << 0.0 << 0.02;
        QTest::newRow("gains of norms") << 64 << 512 << 1.0 << 0.001;
        QTest::newRow("far from zero") << 64 << 512 << 1000.0 << 1.0;
    }
    void asPlainLoops() {
        QFETCH(int, rows);
        QFETCH(int, cols);
        QFETCH(double, mean);
        QFETCH(double, stddev);
        compare(gaussian(size_t(rows), size_t(cols), mean, stddev, 7));
    }

    /// Heavy tails, and an outlier in the first row that the shift is guessed from.
    void outliers() {
        Matrix m = gaussian(200, 333, 0, 0.02, 3);
        for (size_t r = 0; r < m.rows(); ++r)
            m.row(r)[17] *= 50;
        m.row(0)[5] = -3000;
        compare(m);
    }

    /// The sampled rows are nothing like the rest: the mean is found again.
    void unlikeItsSample() {
        Matrix m = gaussian(8000, 16, 0, 1e-3, 9);
        for (size_t k = 0; k < 8; ++k) // the rows that are sampled
            for (size_t c = 0; c < 16; ++c)
                m.row(k * 1000)[c] = 5;
        compare(m);
    }

    void notFinite() {
        Matrix m = gaussian(40, 100, 0, 1, 5);
        m.row(3)[7] = NAN;
        m.row(3)[99] = INFINITY;
        m.row(39)[64] = -INFINITY;
        compare(m);
        const auto s = scanWeights(m.view(), {});
        QCOMPARE(s->notFinite, uint64_t(3));
        QCOMPARE(s->count, uint64_t(4000));
        for (size_t i = 0; i < m.size(); ++i)
            m.data()[i] = NAN;
        const auto none = scanWeights(m.view(), {});
        QS_VERIFY_OK(none);
        QVERIFY(none->absmax == 0 && none->mean == 0 && none->stddev == 0 && none->kurtosis == 0);
        QCOMPARE(none->notFinite, uint64_t(4000));
    }

    void constantAndEmpty() {
        Matrix m(30, 50);
        for (size_t i = 0; i < m.size(); ++i)
            m.data()[i] = 0.1f;
        const auto s = scanWeights(m.view(), {});
        QS_VERIFY_OK(s);
        QVERIFY(s->stddev == 0 && s->kurtosis == 0 && s->mean == double(0.1f));
        const auto empty = scanWeights(Matrix(0, 5).view(), {});
        QS_VERIFY_OK(empty);
        QVERIFY(empty->count == 0 && empty->absmax == 0);
    }

    /// Read in pieces, on one thread and on several: the same bits. An error of a reader is the answer.
    void readerAndThreads() {
        const Matrix m = gaussian(3000, 257, 0.01, 1, 11);
        const auto read = [&](uint64_t first, MatrixView out) -> Result<void> {
            for (size_t r = 0; r < out.rows; ++r)
                std::copy_n(m.row(size_t(first) + r), m.cols(), out.row(r));
            return {};
        };
        const auto whole = scanWeights(m.view(), {});
        QS_VERIFY_OK(whole);
        const int before = linalg::threads();
        const auto back = qScopeGuard([before] { linalg::setThreads(before); });
        for (const int threads : {1, 3}) {
            linalg::setThreads(threads);
            const auto s = scanWeights(3000, 257, read, {});
            QS_VERIFY_OK(s);
            QVERIFY(s->mean == whole->mean && s->stddev == whole->stddev && s->kurtosis == whole->kurtosis);
            QVERIFY(s->inputAbsmax == whole->inputAbsmax && s->outputAbsmax == whole->outputAbsmax);
        }
        const auto broken = scanWeights(3000, 257,
                                        [&](uint64_t first, MatrixView out) -> Result<void> {
                                            if (first > 1500) return Error::corrupt("no such row", "file");
                                            return read(first, out);
                                        },
                                        {});
        QVERIFY(!broken);
        QCOMPARE(broken.error().message, std::string("no such row"));
    }
};

QS_TEST(WeightScanTest)
#include "tst_weight_scan.moc"
