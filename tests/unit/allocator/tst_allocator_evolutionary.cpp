// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/nsga.h"
#include "core/allocate/ridge.h"
#include "tests/unit/allocator/measured.h"

using namespace qs;
using namespace qs::test;

class Allocator_evolutionary : public QObject {
    Q_OBJECT
private slots:
    /// (1, 4), (2, 2), (4, 1) and (3, 1.5) are one front, (3, 3) and (2, 5) the next, (5, 5) the last.
    void frontsByHand() {
        const std::vector<Objectives> o = {{5, 5}, {3, 3}, {2, 2}, {1, 4}, {3, 1.5}, {4, 1}, {2, 5}};
        QVERIFY(dominates(o[2], o[1]) && !dominates(o[1], o[2]) && !dominates(o[2], o[2]));
        // Ends first; then (2, 2): 2/3 + 2.5/3, and (3, 1.5): 2/3 + 1/3.
        QCOMPARE(nsgaOrder(o), (std::vector<size_t>{3, 5, 2, 4, 1, 6, 0}));
        QVERIFY(nsgaOrder({}).empty());
    }
    /// Prior (1, 2), y (2, 4): scale 2 and nothing left. y (2, 5): scale 12/5, left -0.4 and 0.2 over x = (1,
    /// 2), which the scaled prior has taken: w = (x.r) / (|x|^2 + lambda) = 0.
    void ridgeByHand() {
        MatrixD x(2, 1);
        x(0, 0) = 1;
        x(1, 0) = -1;
        const std::vector<double> prior = {1, 2}, y = {2, 5};
        // lambda = 0.5; w = (-0.4 - 0.2) / (2 + 0.5) = -0.24.
        const auto ridge = Ridge::fit(x, prior, y, 0.5);
        QS_VERIFY_OK(ridge);
        const std::vector<double> at = {1};
        QVERIFY(std::fabs(ridge->predict(1, at) - (2.4 - 0.24)) < 1e-12);
        QVERIFY(std::fabs(ridge->predict(2, std::vector<double>{-1}) - (4.8 + 0.24)) < 1e-12);
    }
    void keepsToWhatIsAsked() {
        double sum = 0;
        checkSearch("evolutionary", [&](double damage, double exact, double) {
            QVERIFY2(damage <= exact, qPrintable(QString("%1, exact %2").arg(damage).arg(exact)));
            sum += damage / exact / 6;
        });
        qInfo("%.3f of the damage of the exact allocation of the costs", sum);
    }
    void edges() { checkSearchEdges("evolutionary"); }
};

QS_TEST(Allocator_evolutionary)
#include "tst_allocator_evolutionary.moc"
