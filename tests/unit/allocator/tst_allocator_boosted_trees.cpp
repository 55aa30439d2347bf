// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/boosted_trees.h"
#include "tests/unit/allocator/measured.h"

using namespace qs;
using namespace qs::test;

class Allocator_boosted_trees : public QObject {
    Q_OBJECT
private slots:
    /// x 1 2 3 4, y 0 0 10 10. The mean is 5; residuals -5 -5 5 5. Split at 2.5: gain (100/2 + 100/2) / 2
    /// with lambda 0, (100/3 + 100/3) / 2 with 1; at 1.5 with 0 (25 + 25/3) / 2.
    void splitByHand() {
        MatrixD x(4, 2);
        for (size_t i = 0; i < 4; ++i) {
            x(i, 0) = 7; // says nothing
            x(i, 1) = double(i + 1);
        }
        const std::vector<double> y = {0, 0, 10, 10};
        BoostOptions one{.trees = 1, .depth = 1, .rate = 1, .lambda = 0};
        const BoostedTrees exact = BoostedTrees::fit(x, y, one);
        QCOMPARE(exact.trees().size(), size_t(1));
        QCOMPARE(exact.trees()[0].size(), size_t(3));
        QCOMPARE(exact.trees()[0][0].feature, size_t(1));
        QCOMPARE(exact.trees()[0][0].threshold, 2.5);
        QCOMPARE(exact.predict(std::vector<double>{7, 2.4}), 0.0);
        QCOMPARE(exact.predict(std::vector<double>{7, 2.5}), 10.0);
        one.lambda = 1; // leaves -10/3 and 10/3
        QVERIFY(std::fabs(BoostedTrees::fit(x, y, one).predict(std::vector<double>{7, 1}) - 5.0 / 3) < 1e-12);
        one.least = 33.3 / 1; // the gain is 33.33
        QCOMPARE(BoostedTrees::fit(x, y, one).trees()[0].size(), size_t(3));
        one.least = 33.4;
        QCOMPARE(BoostedTrees::fit(x, y, one).trees()[0].size(), size_t(1));
        // Two trees at rate 1/2 with lambda 0: half of the rest each time, 5 (1 - 1/4) from the mean.
        const BoostOptions two{.trees = 2, .depth = 1, .rate = 0.5, .lambda = 0};
        QCOMPARE(BoostedTrees::fit(x, y, two).predict(std::vector<double>{7, 4}), 8.75);
    }
    /// y = x0 xor x1 needs two levels.
    void depth() {
        MatrixD x(4, 2);
        std::vector<double> y;
        for (size_t i = 0; i < 4; ++i) {
            x(i, 0) = double(i % 2);
            x(i, 1) = double(i / 2);
            y.push_back(double((i % 2) ^ (i / 2)) + 0.01 * double(i)); // equal gains say nothing
        }
        const BoostOptions deep{.trees = 50, .depth = 2, .rate = 0.5, .lambda = 0};
        const BoostedTrees trees = BoostedTrees::fit(x, y, deep);
        for (size_t i = 0; i < 4; ++i)
            QVERIFY(std::fabs(trees.predict({x.data() + 2 * i, 2}) - y[i]) < 1e-3);
    }
    void keepsToWhatIsAsked() {
        double sum = 0;
        checkSearch("boosted_trees", [&](double damage, double exact, double) {
            QVERIFY2(damage <= exact, qPrintable(QString("%1, exact %2").arg(damage).arg(exact)));
            sum += damage / exact / 6;
        });
        qInfo("%.3f of the damage of the exact allocation of the costs", sum);
    }
    void edges() { checkSearchEdges("boosted_trees"); }
};

QS_TEST(Allocator_boosted_trees)
#include "tst_allocator_boosted_trees.moc"
