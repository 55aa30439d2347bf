// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/hull.h"
#include "tests/unit/allocator/knapsack.h"

using namespace qs;
using namespace qs::test;

class Allocator_greedy : public QObject {
    Q_OBJECT
private slots:
    void hullByHand() {
        // (0, 10), (2, 9), (4, 4), (6, 4), (8, 0): from (0, 10) to (4, 4) saves 1.5 a byte, past (2, 9); then
        // 1 to (8, 0).
        const std::vector<AllocatorItem> items = {{{2, 9}, {0, 10}, {8, 0}, {4, 4}, {6, 4}}};
        const auto steps = hullSteps(items);
        QCOMPARE(steps.size(), size_t(2));
        QCOMPARE(steps[0].option, size_t(3));
        QCOMPARE(steps[0].bytes, uint64_t(4));
        QCOMPARE(steps[0].gain, 6.0);
        QCOMPARE(steps[1].option, size_t(2));
        QCOMPARE(steps[1].rate(), 1.0);
    }
    void whatIsLeftIsUsed() {
        // The step of the first item saves more per byte, does not fit, and the second one's does.
        const std::vector<AllocatorItem> items = {{{0, 100}, {10, 0}}, {{0, 5}, {3, 1}}};
        const auto a = allocate(**findAllocator("greedy"), items, 4, {});
        QCOMPARE(a->chosen, (std::vector<size_t>{0, 1}));
        QCOMPARE(a->cost, 101.0);
        QCOMPARE(a->bound, 105.0 - 40.0); // four tenths of the first step
    }
    /// Within 1 % of the best where there are as many linears as a small model has.
    void closeToTheBest() {
        std::mt19937_64 random(21);
        double worst = 0;
        for (int turn = 0; turn < 40; ++turn) {
            const auto items = randomItems(60, 6, random);
            const uint64_t least = leastBytes(items), most = mostBytes(items),
                           budget = least + (most - least) * (5 + random() % 80) / 100;
            const auto a = allocate(**findAllocator("greedy"), items, budget, {}),
                       best = allocate(**findAllocator("exact"), items, budget, {});
            checkSums(items, budget, *a);
            if (QTest::currentTestFailed()) return;
            QVERIFY(best->cost <= a->cost * (1 + 1e-12));
            QVERIFY(a->bound <= best->cost * (1 + 1e-9));
            worst = std::max(worst, a->cost / best->cost - 1);
        }
        qInfo("at most %.3f %% above the best", 100 * worst);
        QVERIFY(worst < 0.01);
    }
};

QS_TEST(Allocator_greedy)
#include "tst_allocator_greedy.moc"
