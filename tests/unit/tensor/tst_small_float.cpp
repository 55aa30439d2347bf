// SPDX-License-Identifier: Apache-2.0
// Every code of the small formats against the formulas of their specifications, in double precision.
#include "core/tensor/small_float.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <limits>

using namespace qs;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// (-1)^s 2^(e - bias) (1 + m / 2^bits), or 2^(1 - bias) m / 2^bits for e = 0.
double floating(int code, int mantissaBits, int bias) {
    const int sign = code / 128, steps = 1 << mantissaBits;
    const int exponent = (code % 128) / steps, mantissa = code % steps;
    const double size = exponent == 0 ? std::pow(2.0, 1 - bias) * mantissa / steps
                                      : std::pow(2.0, exponent - bias) * (1.0 + double(mantissa) / steps);
    return sign ? -size : size;
}

bool same(float have, double want) {
    if (std::isnan(want)) return std::isnan(have);
    return double(have) == want && std::signbit(have) == std::signbit(want);
}

} // namespace

class SmallFloat : public QObject {
    Q_OBJECT
private slots:
    void e4m3() {
        for (int code = 0; code < 256; ++code) {
            const double want = code % 128 == 127 ? kNaN : floating(code, 3, 7);
            QVERIFY2(same(e4m3ToFloat(uint8_t(code)), want), qPrintable(QString::number(code)));
            QVERIFY(same(e4m3Values()[size_t(code)], want));
        }
        QCOMPARE(e4m3ToFloat(0x7e), 448.0f);
        QCOMPARE(e4m3ToFloat(0x01), 0x1p-9f);
    }

    void e5m2() {
        for (int code = 0; code < 256; ++code) {
            double want = floating(code, 2, 15);
            if (code % 128 == 0x7c) want = code < 128 ? INFINITY : -INFINITY;
            if (code % 128 > 0x7c) want = kNaN;
            QVERIFY2(same(e5m2ToFloat(uint8_t(code)), want), qPrintable(QString::number(code)));
            QVERIFY(same(e5m2Values()[size_t(code)], want));
        }
        QCOMPARE(e5m2ToFloat(0x7b), 57344.0f);
    }

    void e8m0() {
        for (int code = 0; code < 255; ++code)
            QVERIFY2(same(e8m0ToFloat(uint8_t(code)), std::pow(2.0, code - 127)),
                     qPrintable(QString::number(code)));
        QVERIFY(std::isnan(e8m0ToFloat(255)));
    }

    void e2m1() {
        for (int code = 0; code < 16; ++code) {
            const int exponent = code % 8 / 2, mantissa = code % 2;
            const double size =
                exponent == 0 ? 0.5 * mantissa : std::pow(2.0, exponent - 1) * (1 + 0.5 * mantissa);
            QVERIFY2(same(kE2M1Values[size_t(code)], code < 8 ? size : -size),
                     qPrintable(QString::number(code)));
        }
    }

    // QLoRA's construction: quantiles of the normal distribution at evenly spaced probabilities, 8 on the
    // negative side and 9 on the positive one that share 0, divided by the largest. The probability offset is
    // the mean of 1 - 1/32 and 1 - 1/30.
    void nf4() {
        const double offset = 0.5 * ((1 - 1.0 / 32) + (1 - 1.0 / 30));
        const auto quantile = [](double p) { // by bisection of the error function
            double lo = -10, hi = 10;
            for (int i = 0; i < 200; ++i) {
                const double mid = (lo + hi) / 2;
                (0.5 * std::erfc(-mid / std::sqrt(2.0)) < p ? lo : hi) = mid;
            }
            return (lo + hi) / 2;
        };
        const double top = quantile(offset);
        for (int i = 0; i < 8; ++i) {
            const double positive = quantile(offset + (0.5 - offset) * i / 8.0) / top; // 1 down to above 0
            QVERIFY2(std::abs(kNf4Values[size_t(15 - i)] - positive) <= 2e-6, qPrintable(QString::number(i)));
        }
        for (int i = 0; i < 7; ++i) {
            const double negative = -quantile(offset + (0.5 - offset) * i / 7.0) / top;
            QVERIFY2(std::abs(kNf4Values[size_t(i)] - negative) <= 2e-6, qPrintable(QString::number(i)));
        }
        QCOMPARE(kNf4Values[7], 0.0f);
    }
};

QS_TEST(SmallFloat)
#include "tst_small_float.moc"
