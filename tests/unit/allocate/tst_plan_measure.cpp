// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/plan_measure.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

Scheme rtn(int bits) {
    Scheme s = *Scheme::make("int", "rtn");
    s.codecParams = *Params::fromJson((*findCodec("int"))->params, {{"bits", bits}, {"group", 16}}, "test");
    return s;
}

} // namespace

class PlanMeasureTest : public QObject {
    Q_OBJECT
    QTemporaryDir folder_;
    std::shared_ptr<const Model> model_;
    std::unique_ptr<Backend> backend_;
    TokenWindows tokens_;

    using Candidates = std::vector<std::optional<size_t>>;
    SensitivityTable table() const { return *SensitivityTable::begin(*model_, {rtn(2), rtn(4)}, 3); }
    std::unique_ptr<PlanMeasure> measure(const SensitivityTable& t, PlanMeasureOptions options = {}) const {
        auto made = PlanMeasure::create(*model_, t, tokens_, options, *backend_, {});
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
        tokens_ = TokenWindows(8, 32);
        std::mt19937_64 random(4);
        for (size_t i = 0; i < tokens_.size(); ++i)
            tokens_.data()[i] = int32_t(random() % 50);
    }
    /// What is kept does nothing; more bits do less; linears come and go without leaving anything behind.
    void assignments() {
        const SensitivityTable t = table();
        const auto m = measure(t);
        const size_t rows = t.rows.size();
        const auto kl = [&](const Candidates& c) { return m->measure(c, {})->kl; };
        QVERIFY(kl(Candidates(rows)) < 1e-9);
        const double two = kl(Candidates(rows, 0)), four = kl(Candidates(rows, 1));
        QVERIFY(four > 0 && two > 3 * four);
        Candidates mixed(rows, 1);
        mixed[2] = 0;
        QVERIFY(kl(mixed) > four);
        QVERIFY(kl(Candidates(rows)) < 1e-9);
        QCOMPARE(kl(Candidates(rows, 0)), two);
        // Without room for weights they are made again.
        PlanMeasureOptions none;
        none.weightBudgetBytes = 0;
        QCOMPARE(measure(t, none)->measure(Candidates(rows, 0), {})->kl, two);
    }
    void refusals() {
        SensitivityTable t = table();
        const size_t rows = t.rows.size();
        t.rows[1].cells[0].refused = "does not fit";
        const auto m = measure(t);
        const auto refused = m->measure(Candidates(rows, 0), {});
        QVERIFY(!refused && refused.error().message == "does not fit" &&
                refused.error().where == t.rows[1].module);
        QVERIFY(!m->measure(Candidates(rows, 2), {}));
        QVERIFY(!m->measure(Candidates(rows - 1), {}));
        std::stop_source stop;
        stop.request_stop();
        const auto stopped = m->measure(Candidates(rows, 1), JobContext(stop.get_token()));
        QVERIFY(!stopped && stopped.error().code == ErrorCode::Cancelled);
        t.candidates[0] = *Scheme::make("int", "gptq");
        const auto blind = PlanMeasure::create(*model_, t, tokens_, {}, *backend_, {});
        QVERIFY(!blind && blind.error().message.find("needs a calibration") != std::string::npos);
    }
};

QS_TEST(PlanMeasureTest)
#include "tst_plan_measure.moc"
