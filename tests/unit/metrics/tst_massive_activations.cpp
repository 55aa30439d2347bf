// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/massive_activations.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <limits>

using namespace qs;

class MassiveActivationsTest : public QObject {
    Q_OBJECT
private slots:
    void medianLeavesOutZerosAndWhatIsNotFinite() {
        const float inf = std::numeric_limits<float>::infinity();
        const std::vector<float> values = {0, -3, 1, 0, 7, NAN, inf, 0};
        QCOMPARE(medianMagnitude(values), 3.0);                          // of 1, 3, 7
        QCOMPARE(medianMagnitude(std::vector<float>{-4, 2, 8, 1}), 3.0); // (2 + 4) / 2
        QCOMPARE(medianMagnitude(std::vector<float>{0, 0}), 0.0);
    }

    void findsWhatPassesTheRule() {
        // 3 x 4: ones, but three large values; the median is 1.
        Matrix x(3, 4);
        std::fill_n(x.data(), x.size(), 1.0f);
        x(0, 2) = -60;
        x(2, 1) = 50;
        x(1, 3) = 49;
        const auto found = massiveActivations(std::as_const(x).view(), MassiveRule{}, 10);
        QCOMPARE(found.median, 1.0);
        QCOMPARE(found.count, uint64_t(2)); // 49 is below 50 times the median
        QCOMPARE(found.largest.size(), size_t(2));
        QCOMPARE(found.largest[0].token, size_t(0));
        QCOMPARE(found.largest[0].channel, size_t(2));
        QCOMPARE(found.largest[0].value, -60.0f);
        QCOMPARE(found.largest[0].ratio, 60.0);
        QCOMPARE(found.largest[1].channel, size_t(1));
        const double energy = (3600.0 + 2500.0) / (3600.0 + 2500.0 + 2401.0 + 9.0);
        QVERIFY(std::fabs(found.energy - energy) <= 1e-12);
        // The published rule asks for 1000 times the median and for 100.
        QCOMPARE(massiveActivations(std::as_const(x).view(), MassiveRule::published(), 10).count,
                 uint64_t(0));
        x(0, 2) = 1000;
        QCOMPARE(massiveActivations(std::as_const(x).view(), MassiveRule::published(), 10).count,
                 uint64_t(1));
    }

    void aLimitKeepsTheLargest() {
        Matrix x(100, 101);
        std::fill_n(x.data(), x.size(), 0.001f);
        // In an order that goes up and down: every value 100 .. 4099 once.
        for (size_t i = 0; i < 4000; ++i)
            x.data()[i] = float(100 + i * 1663 % 4000);
        const auto found = massiveActivations(std::as_const(x).view(), MassiveRule{}, 7);
        QCOMPARE(found.count, uint64_t(4000));
        QCOMPARE(found.largest.size(), size_t(7));
        for (size_t i = 0; i < 7; ++i)
            QCOMPARE(found.largest[i].value, float(4099 - i));
    }

    void zScoreIsRobust() {
        // Median 3; |x - 3| = 2, 1, 0, 1, 97: median 1, so the spread is 1.4826 and 100 is 65.4 of it.
        Matrix x(2, 5);
        const float row[] = {1, 2, 3, 4, 100};
        std::copy_n(row, 5, x.row(0));
        const auto scales = tokenScales(std::as_const(x).view());
        QCOMPARE(scales.size(), size_t(2));
        QCOMPARE(scales[0].centre, 3.0);
        QVERIFY(std::fabs(scales[0].z(100) - 97 / 1.4826) <= 1e-9);
        QVERIFY(std::fabs(scales[0].z(2) + 1 / 1.4826) <= 1e-9);
        QCOMPARE(scales[0].magnitude, 3.0);
        QVERIFY(std::isnan(scales[1].z(1))); // all zero: no spread
    }
};

QS_TEST(MassiveActivationsTest)
#include "tst_massive_activations.moc"
