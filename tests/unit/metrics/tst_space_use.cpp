// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/space_use.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <random>

using namespace qs;

namespace {

ChannelStats statsOf(const Matrix& x) {
    ChannelAccumulator sums(x.cols());
    sums.add(x.view());
    return sums.result();
}

MatrixD sigmaOf(const Matrix& x) {
    MatrixD sigma(x.cols(), x.cols());
    for (size_t t = 0; t < x.rows(); ++t)
        for (size_t i = 0; i < x.cols(); ++i)
            for (size_t j = 0; j < x.cols(); ++j)
                sigma(i, j) += double(x(t, i)) * double(x(t, j));
    return sigma;
}

} // namespace

class SpaceUse : public QObject {
    Q_OBJECT
private slots:
    /// Magnitudes 3 and 4: a flat line of their length 5 is 5 / sqrt 2 each.
    void flatnessByHand() {
        Matrix x(2, 2);
        x(0, 0) = 3;
        x(1, 0) = -3;
        x(0, 1) = x(1, 1) = 4; // a constant channel has a magnitude too
        const double g = 5 / std::sqrt(2.0);
        const double expected = std::hypot(3 - g, 4 - g) / 5;
        QVERIFY(std::fabs(flatness(statsOf(x)) - expected) <= 1e-6);
        x(0, 1) = x(1, 1) = -3;
        QVERIFY(flatness(statsOf(x)) <= 1e-6);
        x(0, 1) = x(1, 1) = 0; // all in one: (5, 0) - (g, g)
        QVERIFY(std::fabs(flatness(statsOf(x)) - std::sqrt(2 - std::sqrt(2.0))) <= 1e-6);
        QCOMPARE(flatness(statsOf(Matrix(3, 2))), 0.0);
    }
    /// Two channels with variances 1 and 4 around (1, -1), correlated by 1.5; largest magnitude 5. chi2_2 of
    /// 99 % is 2 ln 100, an ellipse has the area pi chi2 sqrt(det C).
    void spaceOfTwoChannels() {
        ChannelStats s;
        s.mean = {1, -1};
        s.absmax = {3, 5};
        s.stddev = {1, 2};
        MatrixD sigma(2, 2); // of 100 tokens: 100 (C + m m^T)
        sigma(0, 0) = 100 * (1 + 1);
        sigma(0, 1) = sigma(1, 0) = 100 * (1.5 - 1);
        sigma(1, 1) = 100 * (4 + 1);
        const double area = M_PI * 2 * std::log(100.0) * std::sqrt(1 * 4 - 1.5 * 1.5);
        const double expected = std::log2(area / 100) / 2;
        const double have = spaceUse(sigma, 100, s);
        QVERIFY2(std::fabs(have - expected) <= 2e-3, qPrintable(QString("%1, %2").arg(have).arg(expected)));
        QVERIFY(std::isnan(spaceUse(sigma, 2, s)));  // too few tokens
        sigma(0, 1) = sigma(1, 0) = 100 * (2.0 - 1); // one channel is the other twice
        QVERIFY(std::isnan(spaceUse(sigma, 100, s)));
    }
    /// An outlier channel takes log2 of its size from every other channel; a rotation brings it back.
    void whatOutliersAndRotationsDo() {
        constexpr size_t n = 64, tokens = 4000;
        std::mt19937_64 rng(4);
        std::normal_distribution<float> normal(0, 1);
        Matrix plain(tokens, n), outlier(tokens, n), turned(tokens, n);
        for (float& v : plain.span())
            v = normal(rng);
        for (size_t t = 0; t < tokens; ++t)
            for (size_t c = 0; c < n; ++c)
                outlier(t, c) = plain(t, c) * (c == 5 ? 32.0f : 1.0f);
        for (size_t t = 0; t < tokens; ++t)
            for (size_t i = 0; i < n; ++i)
                for (size_t j = 0; j < n; ++j) // Hadamard by the parity of i & j
                    turned(t, i) += outlier(t, j) * (__builtin_popcountll(i & j) % 2 ? -0.125f : 0.125f);
        const auto use = [](const Matrix& x) { return spaceUse(sigmaOf(x), tokens, statsOf(x)); };
        const double a = use(plain), b = use(outlier), c = use(turned);
        qInfo("plain %.3f, outlier %.3f, turned %.3f", a, b, c);
        QVERIFY(a > -1.4 && a < -0.9);
        // The cube grows by about 32 in 64 directions, the ellipsoid in one.
        QVERIFY(std::fabs((a - b) - 5.0 * 63 / 64) <= 0.5);
        QVERIFY(c > b + 2);
        QVERIFY(flatness(statsOf(outlier)) > 5 * flatness(statsOf(turned)));
    }
};

QS_TEST(SpaceUse)
#include "tst_space_use.moc"
