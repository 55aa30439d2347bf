// SPDX-License-Identifier: Apache-2.0
// Changing the scheme of one layer: what comes out alike is taken from the earlier run, and the result is
// that of a run from the start.
#include "core/run/run.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <fstream>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

/// Counts the factorizations: as many linears were solved by GPTQ.
class Counting : public Backend {
public:
    std::string id() const override { return m_inner->id(); }
    std::string description() const override { return m_inner->description(); }
    Precision precision() const override { return m_inner->precision(); }
    Result<Tensor> allocate(size_t r, size_t c) override { return m_inner->allocate(r, c); }
    Result<void> upload(ConstMatrixView from, Tensor& to) override { return m_inner->upload(from, to); }
    Result<void> download(const Tensor& from, MatrixView to) override { return m_inner->download(from, to); }
    Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* b, Tensor& y) override {
        ++products;
        return m_inner->linear(x, w, b, y);
    }
    Result<void> rmsNorm(const Tensor& x, const Tensor& g, double eps, Tensor& y) override {
        return m_inner->rmsNorm(x, g, eps, y);
    }
    Result<void> layerNorm(const Tensor& x, const Tensor& g, const Tensor& b, double eps,
                           Tensor& y) override {
        return m_inner->layerNorm(x, g, b, eps, y);
    }
    Result<void> rope(Tensor& x, size_t d, const RopeTable& t, size_t n) override {
        return m_inner->rope(x, d, t, n);
    }
    Result<void> attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape,
                           Tensor& out) override {
        return m_inner->attention(q, k, v, shape, out);
    }
    Result<void> activate(Activation f, Tensor& x) override { return m_inner->activate(f, x); }
    Result<void> activateMultiply(Activation f, Tensor& gate, const Tensor& up) override {
        return m_inner->activateMultiply(f, gate, up);
    }
    Result<void> softCap(Tensor& x, float cap) override { return m_inner->softCap(x, cap); }
    Result<void> gatherRows(const Tensor& x, std::span<const uint32_t> rows, Tensor& y) override {
        return m_inner->gatherRows(x, rows, y);
    }
    Result<void> addScaledRows(Tensor& x, std::span<const uint32_t> rows, std::span<const float> weights,
                               const Tensor& y) override {
        return m_inner->addScaledRows(x, rows, weights, y);
    }
    Result<void> add(Tensor& x, const Tensor& y) override { return m_inner->add(x, y); }
    Result<void> accumulateSigma(const Tensor& x, MatrixD& sigma) override {
        return m_inner->accumulateSigma(x, sigma);
    }
    Result<MatrixD> upperFactor(MatrixD h) override {
        ++factors;
        return m_inner->upperFactor(std::move(h));
    }
    Result<void> addProduct(float alpha, MatrixView c, ConstMatrixView a, ConstMatrixView b) override {
        return m_inner->addProduct(alpha, c, a, b);
    }
    Result<void> gptqColumnBlock(const ColumnBlock& block) override {
        return m_inner->gptqColumnBlock(block);
    }
    int factors = 0, products = 0;

private:
    std::unique_ptr<Backend> m_inner = makeCpuBackend();
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
