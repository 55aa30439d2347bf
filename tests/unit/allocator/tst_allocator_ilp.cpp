// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/glpk.h"
#include "core/allocate/scheme_allocation.h"
#include "tests/unit/allocator/knapsack.h"

#include <thread>

using namespace qs;
using namespace qs::test;

class Allocator_ilp : public QObject {
    Q_OBJECT
    static const AllocatorDescriptor& ilp() { return **findAllocator("ilp"); }
    static uint64_t someBudget(const std::vector<AllocatorItem>& items, std::mt19937_64& random) {
        const uint64_t least = leastBytes(items), most = mostBytes(items);
        return least + (most > least ? random() % (most - least + 50) : 0);
    }
    static constexpr double kTolerance = 1e-6; ///< GLPK's, a part in 1e7, with room

private slots:
    void initTestCase() {
        if (const auto library = glpk(); !library) QSKIP(library.error().describe().c_str());
        qInfo("GLPK %s", (*glpk())->version().c_str());
    }
    void byHand() {
        const std::vector<AllocatorItem> items = {{{4, 5}, {6, 1}}, {{4, 3}, {6, 2}}};
        const auto a = allocate(ilp(), items, 10, {});
        QS_VERIFY_OK(a);
        QCOMPARE(a->chosen, (std::vector<size_t>{1, 0}));
        QCOMPARE(a->cost, 4.0);
        QCOMPARE(allocate(ilp(), items, 12, {})->cost, 3.0);
        QCOMPARE(allocate(ilp(), items, 8, {})->cost, 8.0);
        QVERIFY(!allocate(ilp(), items, 7, {}));
        QVERIFY(allocate(ilp(), {}, 0, {}));
    }
    void equalsTheExactOne() {
        std::mt19937_64 random(31);
        for (int turn = 0; turn < 200; ++turn) {
            const auto items = randomItems(1 + random() % 24, 1 + random() % 6, random);
            const uint64_t budget = someBudget(items, random);
            const auto a = allocate(ilp(), items, budget, {}),
                       best = allocate(**findAllocator("exact"), items, budget, {});
            QS_VERIFY_OK(a);
            checkSums(items, budget, *a);
            if (QTest::currentTestFailed()) return;
            QVERIFY2(std::fabs(a->cost - best->cost) <= kTolerance * best->cost + 1e-12,
                     qPrintable(QString("turn %1: %2, best %3").arg(turn).arg(a->cost).arg(best->cost)));
            QVERIFY(a->bound <= best->cost * (1 + kTolerance) + 1e-12);
        }
    }
    /// As many bytes as a large model has: tolerances must not lift the result above the budget.
    void largeModels() {
        std::mt19937_64 random(32);
        auto items = randomItems(120, 6, random);
        for (AllocatorItem& item : items)
            for (AllocatorOption& o : item)
                o.bytes = o.bytes * 70001 + random() % 1000;
        for (int turn = 0; turn < 5; ++turn) {
            const uint64_t budget = someBudget(items, random);
            const auto a = allocate(ilp(), items, budget, {}),
                       best = allocate(**findAllocator("exact"), items, budget, {});
            QS_VERIFY_OK(a);
            checkSums(items, budget, *a);
            if (QTest::currentTestFailed()) return;
            QVERIFY(a->bound <= best->cost * (1 + kTolerance));
            QVERIFY(a->cost >= best->cost * (1 - kTolerance));
            // What the gap says is left is at least what is left.
            QVERIFY(a->cost - best->cost <= (a->cost - a->bound) + kTolerance * a->cost);
        }
    }
    /// Two linears tied, one locked: as the exact allocator has it.
    void locksAndTies() {
        SensitivityTable table;
        Scheme scheme = *Scheme::make("int", "rtn");
        table.candidates = {scheme, scheme, scheme};
        std::mt19937_64 random(33);
        for (size_t r = 0; r < 6; ++r) {
            SensitivityRow row;
            row.module = "layers." + std::to_string(r);
            row.weights = 800;
            row.keptBytes = 1600;
            row.alpha = 1 + double(random() % 100);
            for (const auto& [bytes, error] : {std::pair(200, 0.3), {400, 0.02}, {800, 0.0001}}) {
                SensitivityCell cell;
                cell.bytes = uint64_t(bytes);
                cell.weightError = error;
                row.cells.push_back(cell);
            }
            table.rows.push_back(std::move(row));
        }
        AllocationRequest request;
        request.locked["layers.2"] = 0;
        request.tied = {{"layers.0", "layers.1"}};
        request.target.bitsPerWeight = 4.5;
        const auto best = allocateSchemes(table, request, {});
        request.allocator = "ilp";
        const auto a = allocateSchemes(table, request, {});
        QS_VERIFY_OK(a);
        QCOMPARE(a->candidate[2], std::optional<size_t>(0));
        QCOMPARE(a->candidate[0], a->candidate[1]);
        QVERIFY(a->bytes <= a->budget);
        QVERIFY(std::fabs(a->cost - best->cost) <= kTolerance * best->cost);
    }
    void stops() {
        std::mt19937_64 random(34);
        const auto items = randomItems(20, 4, random);
        std::stop_source before;
        before.request_stop();
        const auto a = allocate(ilp(), items, mostBytes(items) * 2 / 3, JobContext(before.get_token()));
        QVERIFY(!a && a.error().code == ErrorCode::Cancelled);
    }
    /// Costs that are nearly the bytes: branches by the ten thousand, several seconds of them.
    void stopsInTheMiddle() {
        std::mt19937_64 random(35);
        std::vector<AllocatorItem> items(60);
        uint64_t all = 0;
        for (AllocatorItem& item : items) {
            const uint64_t bytes = 1000000 + random() % 1000000;
            item = {{0, double(bytes + random() % 1000)}, {bytes, 0}};
            all += bytes;
        }
        std::stop_source stop;
        std::thread later([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            stop.request_stop();
        });
        const auto a = allocate(ilp(), items, all / 2 + 1, JobContext(stop.get_token()));
        later.join();
        QVERIFY(!a && a.error().code == ErrorCode::Cancelled);
    }
    void missingLibrariesAreNamed() {
        const auto none = loadGlpk("libnone.so.1");
        QVERIFY(!none && none.error().where == "libnone.so.1");
        const auto other = loadGlpk("libc.so.6");
        QVERIFY(!other && other.error().code == ErrorCode::Backend);
        QVERIFY(other.error().message.find("glp_version is missing") != std::string::npos);
    }
};

QS_TEST(Allocator_ilp)
#include "tst_allocator_ilp.moc"
