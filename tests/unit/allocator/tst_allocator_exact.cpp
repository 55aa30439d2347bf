// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/allocator/knapsack.h"

using namespace qs;
using namespace qs::test;

class Allocator_exact : public QObject {
    Q_OBJECT
private slots:
    void byHand() {
        // 10 bytes for two items: {4: 5, 6: 1} and {4: 3, 6: 2}. Both at 6 is too much; the first gains more.
        const std::vector<AllocatorItem> items = {{{4, 5}, {6, 1}}, {{4, 3}, {6, 2}}};
        const AllocatorDescriptor& exact = **findAllocator("exact");
        const auto a = allocate(exact, items, 10, {});
        QS_VERIFY_OK(a);
        QCOMPARE(a->chosen, (std::vector<size_t>{1, 0}));
        QCOMPARE(a->cost, 4.0);
        QCOMPARE(allocate(exact, items, 11, {})->cost, 4.0);
        QCOMPARE(allocate(exact, items, 12, {})->cost, 3.0);
        const auto refused = allocate(exact, items, 7, {});
        QVERIFY(!refused && refused.error().message.find("8 bytes together, 1 more") != std::string::npos);
    }
    /// Where the hull alone is wrong: the middle option lies above it and is the best that fits.
    void optionsAboveTheHull() {
        const std::vector<AllocatorItem> items = {{{0, 10}, {5, 6}, {8, 0}}};
        const auto a = allocate(**findAllocator("exact"), items, 7, {});
        QCOMPARE(a->chosen, (std::vector<size_t>{1}));
    }
    void equalsTryingEverything() {
        std::mt19937_64 random(11);
        for (int turn = 0; turn < 200; ++turn) {
            const auto items = randomItems(1 + random() % 7, 1 + random() % 5, random);
            const uint64_t least = leastBytes(items), most = mostBytes(items),
                           budget = least + (most > least ? random() % (most - least + 50) : 0);
            const auto a = allocate(**findAllocator("exact"), items, budget, {});
            QS_VERIFY_OK(a);
            checkSums(items, budget, *a);
            if (QTest::currentTestFailed()) return;
            const double best = leastCost(items, budget);
            QVERIFY2(std::fabs(a->cost - best) <= 1e-9 * (best + 1e-9),
                     qPrintable(QString("turn %1: %2, best %3").arg(turn).arg(a->cost).arg(best)));
            QCOMPARE(a->bound, a->cost);
        }
    }
    /// As many linears and options as a large model has.
    void largeModels() {
        std::mt19937_64 random(12);
        const auto items = randomItems(320, 8, random);
        const uint64_t least = leastBytes(items), most = mostBytes(items);
        for (const double share : {0.1, 0.4, 0.8}) {
            const uint64_t budget = least + uint64_t(share * double(most - least));
            const auto a = allocate(**findAllocator("exact"), items, budget, {}),
                       greedy = allocate(**findAllocator("greedy"), items, budget, {});
            QS_VERIFY_OK(a);
            checkSums(items, budget, *a);
            if (QTest::currentTestFailed()) return;
            QVERIFY(a->cost <= greedy->cost * (1 + 1e-12));
            QVERIFY(a->bound >= greedy->bound * (1 - 1e-9)); // both are below the optimum
        }
    }
    void stops() {
        std::stop_source stop;
        stop.request_stop();
        std::mt19937_64 random(13);
        const auto items = randomItems(20, 4, random);
        const auto a =
            allocate(**findAllocator("exact"), items, mostBytes(items), JobContext(stop.get_token()));
        QVERIFY(!a && a.error().code == ErrorCode::Cancelled);
    }
    void badItemsAreRefused() {
        const AllocatorDescriptor& exact = **findAllocator("exact");
        QVERIFY(!allocate(exact, std::vector<AllocatorItem>{{}}, 10, {}));
        QVERIFY(!allocate(exact, std::vector<AllocatorItem>{{{1, NAN}}}, 10, {}));
        QVERIFY(!allocate(exact, std::vector<AllocatorItem>{{{1, -1}}}, 10, {}));
        QVERIFY(!findAllocator("none"));
    }
};

QS_TEST(Allocator_exact)
#include "tst_allocator_exact.moc"
