// SPDX-License-Identifier: Apache-2.0
// Runs whose schemes round the inputs of linears.
#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"
#include "core/run/run.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class RunInputs : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::unique_ptr<Backend> m_backend;

    static Scheme scheme(const char* method, const char* inputs) {
        Scheme s = *Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", 8}, {"group", -1}}}, {"method", method}}, "test");
        if (inputs) s.inputs = *InputScheme::preset(inputs);
        return s;
    }
    static TokenWindows tokens(int offset) {
        TokenWindows t(6, 24);
        for (size_t i = 0; i < t.size(); ++i)
            t.data()[i] = int32_t((i * 31 + i / 7 + size_t(offset)) % 50);
        return t;
    }
    std::shared_ptr<const WeightSource> weightsOf(const char* inputs, const char* name) {
        RunOptions options;
        options.directory = scratchDir(name);
        auto run = executePlan(*m_model, resolvePlan(Recipe::uniform(scheme("rtn", inputs)), *m_model),
                               nullptr, options, *m_backend, {});
        if (!run) qFatal("%s", run.error().describe().c_str());
        return *runWeights(*run, m_model);
    }
    double klOf(const char* inputs, const char* name) {
        const auto weights = weightsOf(inputs, name);
        const auto e =
            evaluate(m_model->spec(), *weights, modelWeights(*m_model).get(), tokens(5), {}, *m_backend, {});
        if (!e) qFatal("%s", e.error().describe().c_str());
        return e->kl;
    }

private slots:
    void initTestCase() {
        const auto dir = scratchDir("inputs-model");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        m_model = *openModel(dir);
        m_backend = makeCpuBackend();
    }

    /// What a block's feed-forward half gives is W' times the rounded inputs of its last linear, by plain
    /// loops.
    void linearsSeeRoundedInputs() {
        const auto weights = weightsOf("int8", "inputs-run");
        const BlockSpec& block = m_model->spec().blocks[0];
        auto forward = Forward::create(m_model->spec(), *m_backend, 24);
        QS_VERIFY_OK(forward);
        Matrix seen, given;
        const auto copy = [&](const Tensor& x, Matrix& to) {
            to = Matrix(x.rows, x.cols);
            return m_backend->download(x, to.view());
        };
        BlockWatch watch;
        watch.output = [&](BlockHalf half, const Tensor& y) -> Result<void> {
            return half == BlockHalf::FeedForward ? copy(y, given) : Result<void>();
        };
        forward->watch(std::move(watch));
        auto hidden = ActivationStore::create(24, m_model->spec().hidden, size_t(1) << 30);
        QS_VERIFY_OK(hidden);
        TokenWindows one(1, 24);
        std::copy_n(tokens(3).data(), 24, one.data());
        QS_VERIFY_OK(forward->embed(one.span(), *weights, *hidden));
        auto loaded = forward->loadBlock(0, *weights);
        QS_VERIFY_OK(loaded);
        const SiteHook hook = [&](const std::string& site, const Tensor& x) -> Result<void> {
            return site == block.mlp.down.site ? copy(x, seen) : Result<void>();
        };
        QS_VERIFY_OK(forward->runBlock(0, *loaded, *hidden, hook, false, {}));
        const Matrix w = *weights->matrix(block.mlp.down.weight);
        QCOMPARE(seen.cols(), w.cols());
        double largest = 0, moved = 0;
        for (size_t t = 0; t < seen.rows(); ++t) {
            double most = 0;
            for (size_t c = 0; c < seen.cols(); ++c)
                most = std::max(most, std::fabs(double(seen(t, c))));
            const double s = most / 127;
            for (size_t r = 0; r < w.rows(); ++r) {
                double y = 0, plain = 0;
                for (size_t c = 0; c < w.cols(); ++c) {
                    y += double(w(r, c)) * s * std::nearbyint(double(seen(t, c)) / s);
                    plain += double(w(r, c)) * double(seen(t, c));
                }
                largest = std::max(largest, std::fabs(y - double(given(t, r))));
                moved = std::max(moved, std::fabs(plain - double(given(t, r))));
            }
        }
        // A value at the middle between two codes may fall to the other side in float32.
        QVERIFY2(largest < 0.2 * moved && moved > 1e-6,
                 qPrintable(QString("%1 of %2").arg(largest).arg(moved)));
    }

    void fewerBitsHurtMore() {
        const double none = klOf(nullptr, "inputs-none"), eight = klOf("int8", "inputs-8"),
                     fp8 = klOf("fp8", "inputs-fp8"), four = klOf("int4", "inputs-4");
        QVERIFY2(none < eight && eight < fp8 && fp8 < four,
                 qPrintable(QString("%1 %2 %3 %4").arg(none).arg(eight).arg(fp8).arg(four)));
    }

    /// Data-driven methods see what the linears behind rounded inputs give; an interrupted run ends the same.
    void resumedRunIsTheSame() {
        const auto calibration =
            calibrate(*m_model, tokens(0), {}, scratchDir("inputs-calibration") / "c.h5", *m_backend, {});
        QS_VERIFY_OK(calibration);
        const auto codes = [&](const char* inputs, bool interrupt, const char* name) {
            const Plan plan = resolvePlan(Recipe::uniform(scheme("gptq", inputs)), *m_model);
            RunOptions options;
            options.directory = scratchDir(name);
            std::stop_source stop;
            options.unitFinished = [&](int, const std::vector<TensorResult>&) {
                if (interrupt) stop.request_stop();
            };
            auto run = executePlan(*m_model, plan, calibration->get(), options, *m_backend,
                                   JobContext(stop.get_token()));
            if (interrupt) {
                options.unitFinished = {};
                run = executePlan(*m_model, plan, calibration->get(), options, *m_backend, {});
            }
            if (!run) qFatal("%s", run.error().describe().c_str());
            return (*run)->tensor("layers.1.mlp.down_proj")->codes;
        };
        const auto whole = codes("int4", false, "inputs-whole");
        QVERIFY(whole == codes("int4", true, "inputs-resumed"));
        QVERIFY(whole != codes(nullptr, false, "inputs-kept"));
    }

    void schemesAndPlans() {
        const Scheme with = scheme("rtn", "fp8"), without = scheme("rtn", nullptr);
        const auto again = Scheme::fromJson(with.toJson(), "test");
        QS_VERIFY_OK(again);
        QVERIFY(*again == with && !(with == without));
        QVERIFY(!without.toJson().contains("inputs")); // plans of before keep their fingerprints
        for (const std::string& name : InputScheme::presets()) {
            const auto preset = InputScheme::preset(name);
            QS_VERIFY_OK(preset);
            QCOMPARE(preset->label(), name);
        }
        QVERIFY(!InputScheme::preset("int9"));
        json bad = with.toJson();
        bad["inputs"]["bits"] = 8;
        const auto unknown = Scheme::fromJson(bad, "r.json");
        QVERIFY(!unknown && unknown.error().describe().find("bits") != std::string::npos);
        // Groups that do not divide a row are an error of the plan.
        Scheme odd = without;
        odd.inputs = *InputScheme::fromJson({{"codec", "int"}, {"codec_params", {{"group", 48}}}}, "test");
        QVERIFY(resolvePlan(Recipe::uniform(odd), *m_model).hasErrors());
        QVERIFY(!resolvePlan(Recipe::uniform(with), *m_model).hasErrors());
    }
};

QS_TEST(RunInputs)
#include "tst_run_inputs.moc"
