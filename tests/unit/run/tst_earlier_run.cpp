// SPDX-License-Identifier: Apache-2.0
// Changing the scheme of one layer: what comes out alike is taken from the earlier run, and the result is
// that of a run from the start.
#include "core/run/run.h"
#include "tests/support/forwarding_backend.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <fstream>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

/// Counts factorizations (as many linears were solved by GPTQ) and linears that were run.
class Counting : public ForwardingBackend {
public:
    Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* b, Tensor& y) override {
        ++products;
        return ForwardingBackend::linear(x, w, b, y);
    }
    Result<std::unique_ptr<UpperFactor>> upperFactor(const MatrixD& sigma, std::span<const uint32_t> order,
                                                     std::span<const double> diagonal) override {
        ++factors;
        return ForwardingBackend::upperFactor(sigma, order, diagonal);
    }
    int factors = 0, products = 0;
};

} // namespace

class EarlierRunTest : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::shared_ptr<const Calibration> m_calibration;
    Counting m_backend;

    static Scheme scheme(const char* method, int bits) {
        return *Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", bits}, {"group", 16}}}, {"method", method}},
            "test");
    }
    /// 4 bits everywhere; in `block` 3, where one is given.
    Plan plan(const char* method, int block = -1) const {
        Recipe r = Recipe::uniform(scheme(method, 4));
        if (block >= 0)
            r.rules.insert(r.rules.begin(),
                           {"layers." + std::to_string(block) + ".mlp.*", scheme(method, 3)});
        return resolvePlan(r, *m_model);
    }
    std::shared_ptr<const Run> run(const Plan& p, const char* name, const fs::path& earlier = {},
                                   bool calibrated = true) {
        RunOptions options;
        options.directory = scratchDir(name);
        options.earlier = earlier;
        m_backend.factors = m_backend.products = 0;
        auto r = executePlan(*m_model, p, calibrated ? m_calibration.get() : nullptr, options, m_backend, {});
        if (!r) qFatal("%s", r.error().describe().c_str());
        return *r;
    }
    static std::vector<uint8_t> allCodes(const Run& run) {
        std::vector<uint8_t> out;
        for (const std::string& m : run.modules()) {
            const auto q = run.tensor(m);
            if (!q) qFatal("%s", q.error().describe().c_str());
            out.insert(out.end(), q->codes.begin(), q->codes.end());
        }
        return out;
    }
private slots:
    void initTestCase() {
        SmallModelShape shape;
        shape.blocks = 4;
        const auto dir = scratchDir("earlier-model");
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        m_model = *openModel(dir);
        TokenWindows t(6, 24);
        for (size_t i = 0; i < t.size(); ++i)
            t.data()[i] = int32_t((i * 31 + i / 7) % 50);
        auto c = calibrate(*m_model, t, {}, scratchDir("earlier-calibration") / "c.h5", m_backend, {});
        QS_VERIFY_OK(c);
        m_calibration = *c;
    }

    // GPTQ sees the inputs behind the quantized prefix: blocks before the changed one are taken, those after
    // it are done anew.
    void onlyWhatFollowsIsDoneAnew() {
        const auto first = run(plan("gptq"), "earlier-first");
        const int all = m_backend.factors;
        const auto expected = run(plan("gptq", 2), "earlier-expected");
        QCOMPARE(m_backend.factors, all);
        const auto reused = run(plan("gptq", 2), "earlier-reused", first->directory());
        QCOMPARE(m_backend.factors, all / 2); // blocks 2 and 3 of four
        QVERIFY(allCodes(*reused) == allCodes(*expected));
        QCOMPARE(reused->results().size(), expected->results().size());
        for (const TensorResult& r : expected->results()) {
            QCOMPARE(reused->result(r.module)->error.output, r.error.output);
            QCOMPARE(reused->result(r.module)->planned, r.planned);
        }
        // What was taken stays when the earlier run goes.
        fs::remove_all(first->directory());
        const auto again = Run::open(reused->directory());
        QS_VERIFY_OK(again);
        QVERIFY(allCodes(**again) == allCodes(*expected));
    }

    // Nearest rounding sees no inputs: only the changed block is done, and nothing is run.
    void dataFreeUnitsStandAlone() {
        const auto first = run(plan("rtn"), "earlier-rtn", {}, false);
        const auto expected = run(plan("rtn", 1), "earlier-rtn-expected", {}, false);
        const auto reused = run(plan("rtn", 1), "earlier-rtn-reused", first->directory(), false);
        QCOMPARE(m_backend.products, 0);
        QVERIFY(allCodes(*reused) == allCodes(*expected));
        const auto linked = [&](int block) {
            const auto file = "units/000" + std::to_string(block) + ".h5";
            return fs::equivalent(first->directory() / file, reused->directory() / file);
        };
        QVERIFY(linked(0) && !linked(1) && linked(2) && linked(3));
    }

    void nothingIsTakenFromAnotherKindOfRun() {
        const auto first = run(plan("gptq"), "earlier-other");
        const int all = m_backend.factors;
        Plan seeded = plan("gptq");
        seeded.seed = 7;
        run(seeded, "earlier-other-seed", first->directory());
        QCOMPARE(m_backend.factors, all);
        run(plan("gptq", 0), "earlier-first-block", first->directory()); // all is behind the change
        QCOMPARE(m_backend.factors, all);
        run(plan("gptq"), "earlier-not-there", first->directory() / "nowhere");
        QCOMPARE(m_backend.factors, all);
        run(plan("gptq"), "earlier-same", first->directory());
        QCOMPARE(m_backend.factors, 0);
        QCOMPARE(m_backend.products, 0); // nothing had to be run
    }

    // What was altered since is not taken.
    void alteredFilesAreDoneAnew() {
        const auto first = run(plan("rtn"), "earlier-altered", {}, false);
        const auto codes = allCodes(*first);
        std::ofstream(first->directory() / "units/0001.h5", std::ios::binary) << "x";
        const auto second = run(plan("rtn"), "earlier-altered-now", first->directory(), false);
        QVERIFY(allCodes(*second) == codes);
    }
};

QS_TEST(EarlierRunTest)
#include "tst_earlier_run.moc"
