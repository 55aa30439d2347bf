// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/qs_test.h"
#include "widgets/charts/ChartAxis.h"

#include <cmath>

using namespace qs::ui;

namespace {
QVector<double> values(const QVector<AxisTick>& ticks) {
    QVector<double> v;
    for (const AxisTick& t : ticks)
        v.push_back(t.value);
    return v;
}
QStringList labels(const QVector<AxisTick>& ticks) {
    QStringList l;
    for (const AxisTick& t : ticks)
        l.push_back(t.label);
    return l;
}
bool close(const QVector<double>& a, const QVector<double>& b) {
    if (a.size() != b.size()) return false;
    for (int i = 0; i < a.size(); ++i)
        if (!(std::abs(a[i] - b[i]) <= 1e-9 * std::max(1.0, std::abs(b[i])))) return false;
    return true;
}
const QString kThin(QChar(0x202F));
const QString kMinus(QChar(0x2212));
} // namespace

class ChartAxisTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { QLocale::setDefault(QLocale::c()); }

    void numbers() {
        QCOMPARE(groupedInteger(8192), "8" + kThin + "192");
        QCOMPARE(groupedInteger(-16777216), kMinus + "16" + kThin + "777" + kThin + "216");
        QCOMPARE(groupedInteger(999), QString("999"));
        QCOMPARE(groupedInteger(-999), kMinus + "999");
        QCOMPARE(formatNumber(0.0212), QString("0.0212"));
        QCOMPARE(formatNumber(77.3), QString("77.3"));
        QCOMPARE(formatNumber(5.0), QString("5"));
        QCOMPARE(formatNumber(-0.5, 1), kMinus + "0.5");
        QCOMPARE(formatNumber(0), QString("0"));
        QCOMPARE(formatNumber(1.25e-6, 3), "1.25e" + kMinus + "06");
        QCOMPARE(formatNumber(std::nan("")), QString("n/a"));
        QCOMPARE(formatFixed(-0.04, 1), QString("0.0"));
        QCOMPARE(formatFixed(1234.5, 2), "1" + kThin + "234.50");
        QCOMPARE(formatCount(1000000), "1" + kThin + "M");
        QCOMPARE(formatCount(10000), "10" + kThin + "k");
        QCOMPARE(formatCount(100), QString("100"));
        QCOMPARE(csvNumber(0.1), QString("0.1"));
        QCOMPARE(csvNumber(std::nan("")), QString());
        QCOMPARE(csvField("a,\"b\""), QString("\"a,\"\"b\"\"\""));
    }
    void decimalMarkFollowsTheLocale() {
        QLocale::setDefault(QLocale(QLocale::German));
        QCOMPARE(formatNumber(0.5), QString("0,5"));
        QCOMPARE(csvNumber(0.5), QString("0.5")); // files do not
        QLocale::setDefault(QLocale::c());
    }
    void linear() {
        QVERIFY(close(values(linearTicks(0, 10, 5)), {0, 2, 4, 6, 8, 10}) ||
                close(values(linearTicks(0, 10, 5)), {0, 5, 10}));
        QVERIFY(linearTicks(0, 10, 5).size() <= 5);
        QVERIFY(close(values(linearTicks(-0.3, 0.3, 8)), {-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3}));
        QCOMPARE(labels(linearTicks(-0.3, 0.3, 8))[3], QString("0.0"));
        QCOMPARE(labels(linearTicks(-0.3, 0.3, 8))[0], kMinus + "0.3");
        QVERIFY(linearTicks(1, 1, 5).isEmpty());
        QVERIFY(linearTicks(std::nan(""), 1, 5).isEmpty());
        for (const double hi : {1e-9, 0.7, 3.0, 47.0, 1e6, 3e12})
            for (int n = 2; n < 9; ++n)
                QVERIFY(linearTicks(0, hi, n).size() <= n && linearTicks(0, hi, n).size() >= 1);
    }
    void index() {
        QVERIFY(
            close(values(indexTicks(0, 2048, 2048, 9)), {0, 256, 512, 768, 1024, 1280, 1536, 1792, 2048}));
        QVERIFY(close(values(indexTicks(0, 100, 100, 6)), {0, 20, 40, 60, 80, 100}));
        for (const double v : values(indexTicks(3.2, 9.7, 1000, 9)))
            QCOMPARE(v, std::floor(v)); // no half channels at any zoom
    }
    void logarithmic() {
        QVERIFY(close(values(logTicks(0.05, 2, 8)), {0.05, 0.1, 0.2, 0.5, 1, 2}));
        QVERIFY(close(values(logTicks(0.5, 3e6, 4)), {1, 100, 10000, 1e6}));
        QCOMPARE(labels(logTicks(1e-6, 1e-2, 6)).first(), QString::fromUtf8("10⁻⁶"));
        QVERIFY(close(values(logTicks(10, 30, 5)), {10, 15, 20, 25, 30}) || logTicks(10, 30, 5).size() >= 3);
        QVERIFY(logTicks(0, 1, 5).isEmpty());
        QVERIFY(logTicks(-1, 1, 5).isEmpty());
        for (const double hi : {1.0, 1e3, 1e9, 1e30})
            for (int n = 2; n < 9; ++n)
                QVERIFY(logTicks(0.001, hi, n).size() <= n);
    }
    void map() {
        const AxisMap linear{0, 100, 50, 250, false};
        QCOMPARE(linear.toPixel(25), 100.0);
        QCOMPARE(linear.toValue(100), 25.0);
        const AxisMap log{0.01, 100, 200, 0, true}; // four decades over 200 px, upwards
        QVERIFY(std::abs(log.toPixel(1) - 100) < 1e-9);
        QVERIFY(std::abs(log.toPixel(10) - 50) < 1e-9);
        QVERIFY(std::abs(log.toValue(50) - 10) < 1e-9);
        QCOMPARE(log.toPixel(0), 200.0);
    }
};
QS_TEST(ChartAxisTest)

#include "tst_chart_axis.moc"
