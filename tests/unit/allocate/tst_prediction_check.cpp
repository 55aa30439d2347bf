// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/prediction_check.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <set>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

Scheme intScheme(int bits, int group = 16) {
    Scheme s = *Scheme::make("int", "rtn");
    s.codecParams =
        *Params::fromJson((*findCodec("int"))->params, {{"bits", bits}, {"group", group}}, "test");
    return s;
}

/// Two linears of 8 weights, two candidates of 2 and 4 bytes each, with KL of each alone.
SensitivityTable twoLinears() {
    SensitivityTable table;
    table.rows.resize(2);
    for (SensitivityRow& row : table.rows) {
        row.weights = 8;
        row.keptBytes = 16;
        row.cells.resize(2);
        row.cells[0].bytes = 2;
        row.cells[1].bytes = 4;
    }
    table.rows[0].cells[0].kl = 0.3, table.rows[0].cells[1].kl = 0.1;
    table.rows[1].cells[0].kl = 0.7, table.rows[1].cells[1].kl = 0.2;
    return table;
}

double correlation(std::vector<double> a, std::vector<double> b) {
    return rankCorrelation(a, b);
}

} // namespace

class PredictionChecks : public QObject {
    Q_OBJECT
    QTemporaryDir folder_;
    std::shared_ptr<const Model> model_;
    std::unique_ptr<Backend> backend_;
    TokenWindows tokens_;
    SensitivityTable table_;

    std::unique_ptr<PlanMeasure> measure() const {
        auto made = PlanMeasure::create(*model_, table_, tokens_, {}, *backend_, {});
        if (!made) qFatal("%s", made.error().describe().c_str());
        return std::move(*made);
    }

private slots:
    void initTestCase() {
        const fs::path path = folder_.filePath("model").toStdString();
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(path, shape, smallConfig(shape)));
        auto model = openModel(path);
        QS_VERIFY_OK(model);
        model_ = *model;
        backend_ = makeCpuBackend(2);
        tokens_ = TokenWindows(4, 32);
        std::mt19937_64 random(4);
        for (size_t i = 0; i < tokens_.size(); ++i)
            tokens_.data()[i] = int32_t(random() % 50);
        // Groups of 48 divide no row: never drawn.
        auto table =
            SensitivityTable::begin(*model_, {intScheme(2), intScheme(8), intScheme(3, 48), intScheme(4)}, 3);
        QS_VERIFY_OK(table);
        table_ = std::move(*table);
    }

    void rankCorrelationByHand() {
        QCOMPARE(correlation({1, 2, 3}, {10, 20, 1000}), 1.0);
        QCOMPARE(correlation({1, 2, 3}, {3, 2, 1}), -1.0);
        // 1 - 6 sum d^2 / (n (n^2 - 1)) with d^2 = 1, 1, 1, 1, 0
        QVERIFY(std::fabs(correlation({1, 2, 3, 4, 5}, {2, 1, 4, 3, 5}) - 0.8) < 1e-12);
        // Ranks 1, 2.5, 2.5, 4 against 1 .. 4: 4.5 / sqrt(4.5 * 5)
        QVERIFY(std::fabs(correlation({1, 2, 2, 3}, {1, 2, 3, 4}) - 4.5 / std::sqrt(22.5)) < 1e-12);
        // Ties on both sides: 1.5, 1.5, 3, 4 against 1, 2.5, 2.5, 4: 3.75 / 4.5
        QVERIFY(std::fabs(correlation({5, 5, 6, 7}, {1, 2, 2, 3}) - 3.75 / 4.5) < 1e-12);
    }
    void rankCorrelationUndefined() {
        QVERIFY(std::isnan(correlation({}, {})));
        QVERIFY(std::isnan(correlation({1}, {1})));
        QVERIFY(std::isnan(correlation({1, 2}, {3, 3})));
    }

    void drawsAreDeterministic() {
        const auto twenty = drawAssignments(table_, 20, 7);
        QCOMPARE(twenty.size(), size_t(20));
        QVERIFY(drawAssignments(table_, 20, 7) == twenty);
        QVERIFY(drawAssignments(table_, 20, 8) != twenty);
        const auto four = drawAssignments(table_, 4, 7);
        QVERIFY(std::equal(four.begin(), four.end(), twenty.begin()));
    }
    void drawsSpread() {
        std::set<size_t> seen;
        double low = INFINITY, high = 0;
        for (const Assignment& a : drawAssignments(table_, 20, 7)) {
            QCOMPARE(a.size(), table_.rows.size());
            for (size_t r = 0; r < a.size(); ++r) {
                QVERIFY(a[r] && table_.rows[r].cells[*a[r]].legal());
                seen.insert(*a[r]);
            }
            low = std::min(low, bitsPerWeight(table_, a));
            high = std::max(high, bitsPerWeight(table_, a));
        }
        QVERIFY(seen == (std::set<size_t>{0, 1, 3}));
        const double smallest = bitsPerWeight(table_, Assignment(table_.rows.size(), 0));
        const double largest = bitsPerWeight(table_, Assignment(table_.rows.size(), 1));
        QVERIFY(low < smallest + 0.25 * (largest - smallest));
        QVERIFY(high > smallest + 0.75 * (largest - smallest));
    }
    /// A linear that can have no candidate is kept.
    void refusedEverywhere() {
        SensitivityTable table = twoLinears();
        for (SensitivityCell& c : table.rows[1].cells)
            c.refused = "no";
        for (const Assignment& a : drawAssignments(table, 5, 1))
            QVERIFY(a[0].has_value() && !a[1].has_value());
        QCOMPARE(bitsPerWeight(table, Assignment{1, std::nullopt}), 8.0 * (4 + 16) / 16);
    }

    void byHand() {
        const SensitivityTable table = twoLinears();
        const std::vector<MeasuredAssignment> measured = {
            {{0, 0}, 2, {2.0, 0.01}}, {{1, 1}, 4, {2.4, 0.02}}, {{std::nullopt, 1}, 10, {0.8, 0.03}}};
        const PredictionCheck check = checkPredictions(table, **findScore("kl_alone"), measured);
        QCOMPARE(check.points.size(), size_t(3));
        QCOMPARE(check.known, size_t(3));
        QVERIFY(std::fabs(check.points[0].predicted - 1.0) < 1e-12);
        QVERIFY(std::fabs(check.points[1].predicted - 0.3) < 1e-12);
        QVERIFY(std::fabs(check.points[2].predicted - 0.2) < 1e-12);
        QCOMPARE(check.points[1].kl, 2.4);
        QCOMPARE(check.points[1].klStderr, 0.02);
        QVERIFY(std::fabs(check.rankCorrelation - 0.5) < 1e-12);          // ranks 3, 2, 1 against 2, 3, 1
        QVERIFY(std::fabs(check.ratio - std::cbrt(2.0 * 8 * 4)) < 1e-12); // 2 / 1, 2.4 / 0.3, 0.8 / 0.2
    }
    /// What the score does not know is no point of the correlation; a score that is no loss has no ratio.
    void partlyKnown() {
        SensitivityTable table = twoLinears();
        table.rows[0].cells[0].kl = NAN;
        const std::vector<MeasuredAssignment> measured = {
            {{0, 0}, 2, {2.0, 0}}, {{1, 1}, 4, {2.4, 0}}, {{1, 0}, 3, {1.0, 0}}, {{1}, 0, {1.0, 0}}};
        const PredictionCheck check = checkPredictions(table, **findScore("kl_alone"), measured);
        QVERIFY(std::isnan(check.points[0].predicted) && std::isnan(check.points[3].predicted));
        QCOMPARE(check.known, size_t(2));
        QCOMPARE(check.rankCorrelation, -1.0);
        for (SensitivityRow& row : table.rows)
            for (SensitivityCell& c : row.cells)
                c.weightError = 1.0 / double(c.bytes);
        const PredictionCheck errors = checkPredictions(table, **findScore("weight_error"), measured);
        QCOMPARE(errors.known, size_t(3));
        QVERIFY(std::isfinite(errors.rankCorrelation) && std::isnan(errors.ratio));
    }

    void asManyAsAskedAndFinite() {
        const auto plan = measure();
        std::vector<double> seen;
        const auto all = measureAssignments(
            *plan, table_, {0, 5, 7}, {}, [&](const MeasuredAssignment& m) { seen.push_back(m.damage.kl); });
        QS_VERIFY_OK(all);
        QCOMPARE(all->size(), size_t(5));
        QCOMPARE(seen.size(), size_t(5));
        const auto drawn = drawAssignments(table_, 5, 7);
        for (size_t k = 0; k < 5; ++k) {
            const MeasuredAssignment& m = (*all)[k];
            QVERIFY(m.candidate == drawn[k]);
            QVERIFY(m.damage.kl > 0 && std::isfinite(m.damage.kl) && m.damage.klStderr > 0);
            QCOMPARE(m.bitsPerWeight, bitsPerWeight(table_, drawn[k]));
            QCOMPARE(seen[k], m.damage.kl);
        }
        const auto again = measureAssignments(*measure(), table_, {0, 5, 7}, {});
        QS_VERIFY_OK(again);
        for (size_t k = 0; k < 5; ++k)
            QCOMPARE((*again)[k].damage.kl, (*all)[k].damage.kl);
        const auto rest = measureAssignments(*plan, table_, {3, 2, 7}, {});
        QS_VERIFY_OK(rest);
        QCOMPARE(rest->size(), size_t(2));
        QCOMPARE((*rest)[1].damage.kl, (*all)[4].damage.kl);
    }
    void cancelKeepsWhatIsMeasured() {
        const auto plan = measure();
        std::stop_source stop;
        int calls = 0;
        const auto none = measureAssignments(*plan, table_, {0, 5, 7}, JobContext(stop.get_token()),
                                             [&](const MeasuredAssignment&) {
                                                 if (++calls == 2) stop.request_stop();
                                             });
        QVERIFY(!none && none.error().isCancelled());
        QCOMPARE(calls, 2);
    }
};

QS_TEST(PredictionChecks)
#include "tst_prediction_check.moc"
