// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/scheme_allocation.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>
#include <random>

using namespace qs;

namespace {

Scheme bits(int n) {
    Scheme s = *Scheme::make("int", "rtn");
    s.codecParams = *(*findCodec("int"))->withBits(s.codecParams, n);
    return s;
}

/// Linears of 800 weights (1600 bytes kept) at 2, 4 and 8 bits: 200, 400 and 800 bytes. Relative errors 0.3,
/// 0.02 and 0.0001; alpha 1, 10, 100 ... of the rows in turn.
SensitivityTable table(size_t rows) {
    SensitivityTable t;
    t.candidates = {bits(2), bits(4), bits(8)};
    t.checkpointBytes = 5000 + 1600 * rows;
    for (size_t r = 0; r < rows; ++r) {
        SensitivityRow row;
        row.module = "layers." + std::to_string(r / 2) + (r % 2 ? ".b" : ".a");
        row.fusedGroup = "layers." + std::to_string(r / 2);
        row.weights = 800;
        row.keptBytes = 1600;
        row.alpha = std::pow(10.0, double(r));
        for (const auto& [bytes, error] : {std::pair(200, 0.3), {400, 0.02}, {800, 0.0001}}) {
            SensitivityCell cell;
            cell.bytes = uint64_t(bytes);
            cell.weightError = error;
            row.cells.push_back(cell);
        }
        t.rows.push_back(std::move(row));
    }
    return t;
}

using Chosen = std::vector<std::optional<size_t>>;

} // namespace

class SchemeAllocationTest : public QObject {
    Q_OBJECT

    static Result<SchemeAllocation> solve(const SensitivityTable& t, AllocationRequest request, double bpw) {
        request.target.bitsPerWeight = bpw;
        return allocateSchemes(t, request, {});
    }

private slots:
    /// 3 linears, 4.67 bits each: 1400 bytes. 8, 4 and 2 bits in the order of alpha take them all.
    void byHand() {
        const auto a = solve(table(3), {}, 14.0 / 3 + 1e-9);
        QS_VERIFY_OK(a);
        QCOMPARE(a->candidate, (Chosen{0, 1, 2}));
        QCOMPARE(a->bytes, uint64_t(1400));
        QVERIFY(std::fabs(a->cost - (0.3 + 0.2 + 0.01)) < 1e-12);
        QCOMPARE(a->remainder(), std::string("the target is met to the byte"));
        const Recipe recipe = a->recipe(table(3), "mine");
        QCOMPARE(recipe.rules.size(), size_t(3));
        QCOMPARE(recipe.rules[2].match, std::string("layers.1.a"));
        QVERIFY(*recipe.rules[2].scheme == bits(8));
    }
    /// What a linear is refused goes to the others; a lock goes before.
    void refusedCandidates() {
        AllocationRequest request;
        request.mayKeep = false;
        request.refused = {{"layers.1.a", 2}, {"layers.0.b", 1}};
        const auto a = solve(table(3), request, 14.0 / 3 + 1e-9);
        QS_VERIFY_OK(a);
        // Without both the best is 2, 4, 8 bits. Now the third has 4 at most, the second 2 or 8.
        QCOMPARE(a->candidate, (Chosen{0, 2, 1}));
        request.locked["layers.1.a"] = 2;
        const auto locked = solve(table(3), request, 14.0 / 3 + 1e-9);
        QCOMPARE(locked->candidate, (Chosen{1, 0, 2}));
        request.refused = {{"layers.0.a", 0}, {"layers.0.a", 1}, {"layers.0.a", 2}};
        const auto none = solve(table(3), request, 8);
        QVERIFY(!none && none.error().message.find("layers.0.a has no candidate") == 0);
    }
    void leftBytesAreExplained() {
        const auto a = solve(table(3), {}, 14.5 / 3);
        QCOMPARE(a->bytes, uint64_t(1400));
        QVERIFY2(
            a->remainder().find("50 bytes are left: the smallest step that lowers the predicted cost takes "
                                "200") == 0,
            a->remainder().c_str());
        const auto all = solve(table(2), {}, 32);
        QCOMPARE(all->candidate, (Chosen{std::nullopt, std::nullopt}));
        QVERIFY(all->remainder().find("nothing lowers") != std::string::npos);
        AllocationRequest request;
        request.mayKeep = false;
        QCOMPARE(solve(table(2), request, 32)->candidate, (Chosen{2, 2}));
    }
    void targetOfTheWholeCheckpoint() {
        AllocationRequest request;
        request.target.checkpointBytes = 5000 + 1400;
        const auto a = allocateSchemes(table(3), request, {});
        QS_VERIFY_OK(a);
        QCOMPARE(a->candidate, (Chosen{0, 1, 2}));
        request.target.checkpointBytes = 4999;
        const auto refused = allocateSchemes(table(3), request, {});
        QVERIFY(!refused &&
                refused.error().message.find("5000 bytes of what is not quantized") != std::string::npos);
        request.target.checkpointBytes = 5599;
        const auto small = allocateSchemes(table(3), request, {});
        QVERIFY(!small && small.error().message.find("600 bytes together, 1 more") != std::string::npos);
    }
    void targetOfLoss() {
        AllocationRequest request;
        request.target.loss = 0.51 + 1e-9;
        const auto a = allocateSchemes(table(3), request, {});
        QS_VERIFY_OK(a);
        QVERIFY(a->cost <= *request.target.loss);
        QCOMPARE(a->bytes, uint64_t(1400));
        request.score = "weight_error";
        const auto refused = allocateSchemes(table(3), request, {});
        QVERIFY(!refused && refused.error().message.find("is no loss") != std::string::npos);
        request.score = "linearity";
        request.mayKeep = false;
        request.target.loss = 1e-6;
        QVERIFY(!allocateSchemes(table(3), request, {}));
    }
    void locksHold() {
        AllocationRequest request;
        request.locked = {{"layers.0.a", 2}, {"layers.1.a", std::nullopt}};
        const auto a = solve(table(3), request, 8 * (800 + 1600 + 400) / 2400.0 + 1e-9);
        QS_VERIFY_OK(a);
        QCOMPARE(a->candidate, (Chosen{2, 1, std::nullopt}));
        request.locked = {{"none", 1}};
        QVERIFY(!solve(table(3), request, 8));
        request.locked = {{"layers.0.a", 7}};
        QVERIFY(!solve(table(3), request, 8));
    }
    void tiesHold() {
        AllocationRequest request;
        request.tied = fusedTies(table(4));
        QCOMPARE(request.tied.size(), size_t(2));
        const auto a = solve(table(4), request, 5);
        QS_VERIFY_OK(a);
        QCOMPARE(a->candidate[0], a->candidate[1]);
        QCOMPARE(a->candidate[2], a->candidate[3]);
        request.locked = {{"layers.0.a", 0}};
        QCOMPARE(solve(table(4), request, 5)->candidate[1], std::optional<size_t>(0));
        request.locked["layers.0.b"] = 1;
        const auto refused = solve(table(4), request, 5);
        QVERIFY(!refused && refused.error().message.find("tied") != std::string::npos);
    }
    /// What is refused for one of the tied is refused for all; what is not measured stays as it is.
    void onlyWhatIsPossible() {
        SensitivityTable t = table(4);
        t.rows[0].cells[0].refused = "no";
        t.rows[3].alpha = NAN;
        AllocationRequest request;
        request.tied = {{"layers.0.a", "layers.0.b"}};
        const auto a = solve(t, request, 8 * (400 + 400 + 200 + 1600) / 3200.0 + 1e-9);
        QS_VERIFY_OK(a);
        QCOMPARE(a->candidate, (Chosen{1, 1, 0, std::nullopt}));
        QCOMPARE(a->unmeasured, (std::vector<std::string>{"layers.1.b"}));
        request.score = "kl_alone";
        const auto refused = solve(t, request, 8);
        QVERIFY(!refused &&
                refused.error().message.find("needs what is not measured: alone") != std::string::npos);
    }
    /// Random tables, locks and ties: all are kept to, the target too, and the cost is that of the choices.
    void randomRequests() {
        std::mt19937_64 random(5);
        for (int turn = 0; turn < 200; ++turn) {
            SensitivityTable t = table(8);
            for (SensitivityRow& row : t.rows) {
                row.alpha = double(1 + random() % 100);
                for (SensitivityCell& cell : row.cells)
                    if (random() % 10 == 0) cell.refused = "no";
            }
            AllocationRequest request;
            request.allocator = turn % 2 ? "exact" : "greedy";
            if (turn % 3 == 0)
                request.tied = {{"layers.0.a", "layers.2.b", "layers.3.a"}, {"layers.1.a", "layers.1.b"}};
            if (turn % 4 == 0) request.locked = {{"layers.0.b", std::nullopt}};
            const double bpw = 6 + double(random() % 1000) / 100;
            const auto a = solve(t, request, bpw);
            if (!a) {
                QVERIFY(a.error().message.find("bytes together") != std::string::npos);
                continue;
            }
            uint64_t bytes = 0;
            double cost = 0;
            std::map<std::string, std::optional<size_t>> of;
            for (size_t r = 0; r < 8; ++r) {
                const auto c = a->candidate[r];
                of[t.rows[r].module] = c;
                QVERIFY(!c || t.rows[r].cells[*c].legal());
                bytes += c ? t.rows[r].cells[*c].bytes : t.rows[r].keptBytes;
                if (c) cost += t.rows[r].alpha * t.rows[r].cells[*c].weightError;
            }
            QCOMPARE(a->bytes, bytes);
            QVERIFY(double(bytes) * 8 <= bpw * 6400);
            QVERIFY(std::fabs(a->cost - cost) < 1e-9);
            for (const auto& group : request.tied)
                for (const auto& module : group)
                    QCOMPARE(of[module], of[group.front()]);
            for (const auto& [module, c] : request.locked)
                QCOMPARE(of[module], c);
        }
    }
    /// From everything at 2 bits to everything at 8: each point costs what an allocation of its size does.
    void frontier() {
        AllocationRequest request;
        request.mayKeep = false;
        const auto points = allocationFrontier(table(3), request, 100);
        QS_VERIFY_OK(points);
        QCOMPARE(points->size(), size_t(7)); // two steps a linear
        QCOMPARE(points->front().checkpointBytes, uint64_t(5000 + 600));
        QCOMPARE(points->back().checkpointBytes, uint64_t(5000 + 2400));
        QVERIFY(std::fabs(points->back().cost - 111 * 0.0001) < 1e-12);
        for (const AllocationPoint& p : *points) {
            request.target.checkpointBytes = p.checkpointBytes;
            const auto a = allocateSchemes(table(3), request, {});
            QS_VERIFY_OK(a);
            QVERIFY(std::fabs(a->cost - p.cost) < 1e-9);
        }
        request.target = {};
        QCOMPARE(allocationFrontier(table(3), request, 3)->size(), size_t(4));
    }
    /// Relative standard errors of alpha 10, 20 and 30 % at 2 bits everywhere and at 8 bits everywhere.
    void frontierUncertainty() {
        SensitivityTable t = table(3);
        for (size_t r = 0; r < 3; ++r)
            t.rows[r].alphaError = 0.1 * double(r + 1);
        AllocationRequest request;
        request.mayKeep = false;
        const auto points = allocationFrontier(t, request, 100);
        QS_VERIFY_OK(points);
        const double each = std::sqrt(0.1 * 0.1 + 2.0 * 2.0 + 30.0 * 30.0); // alpha times its error
        QVERIFY(std::fabs(points->front().uncertainty - 0.3 * each) < 1e-12);
        QVERIFY(std::fabs(points->back().uncertainty - 0.0001 * each) < 1e-12);
        request.score = "weight_error"; // has no standard errors
        const auto plain = allocationFrontier(t, request, 100);
        QS_VERIFY_OK(plain);
        for (const AllocationPoint& p : *plain)
            QCOMPARE(p.uncertainty, 0.0);
    }
    void oneTargetOnly() {
        QVERIFY(!allocateSchemes(table(2), {}, {}));
        AllocationRequest request;
        request.target.loss = 1;
        request.target.bitsPerWeight = 4;
        QVERIFY(!allocateSchemes(table(2), request, {}));
    }
};

QS_TEST(SchemeAllocationTest)
#include "tst_scheme_allocation.moc"
