// SPDX-License-Identifier: Apache-2.0
// Runs whose plan scales channels before it quantizes.
#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"
#include "core/run/run.h"
#include "core/run/transform_block.h"
#include "tests/support/killed_child.h"
#include "tests/support/small_model.h"
#include "tests/unit/architecture/golden_case.h"

#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class TransformedRun : public QObject {
    Q_OBJECT
    std::unique_ptr<Backend> m_backend;

    static Recipe recipe(const json& transforms, const json& codec = {{"bits", 4}, {"group", 16}},
                         const char* method = "rtn") {
        const auto r = Recipe::fromJson(
            {{"version", 1},
             {"transforms", transforms},
             {"rules",
              {{{"match", "*"},
                {"scheme", {{"codec", "int"}, {"codec_params", codec}, {"method", method}}}}}}},
            "test");
        if (!r) qFatal("%s", r.error().describe().c_str());
        return *r;
    }
    /// Eight bits a row: close enough to exact to show what a wrong fold would do.
    static json eightBits() { return {{"bits", 8}, {"group", -1}, {"scale_dtype", "f32"}}; }

    struct Subject {
        std::shared_ptr<const Model> model;
        std::shared_ptr<const Calibration> calibration;
    };
    Subject golden(const std::string& name) {
        Subject s;
        s.model = *openModel(goldenCase(name));
        s.calibration = calibrated(*s.model, goldenTokens(name));
        return s;
    }
    std::shared_ptr<const Calibration> calibrated(const Model& model, const std::vector<int32_t>& ids) {
        TokenWindows windows(1, ids.size());
        std::copy(ids.begin(), ids.end(), windows.data());
        const auto c =
            calibrate(model, windows, {}, scratchDir("transformed-calibration") / "c.h5", *m_backend, {});
        if (!c) qFatal("%s", c.error().describe().c_str());
        return *c;
    }
    /// Four blocks; channel 5 of every norm is large, and its readers are small there.
    Subject small(DType type = DType::F32) {
        SmallModelShape shape;
        shape.blocks = 4;
        shape.dtype = type;
        const auto folder = scratchDir("transformed-model");
        if (auto w = writeSmallModel(folder, shape, smallConfig(shape)); !w)
            qFatal("%s", w.error().describe().c_str());
        Subject s;
        s.model = *openModel(folder);
        std::vector<int32_t> ids;
        for (int i = 0; i < 60; ++i)
            ids.push_back((i * 31 + i / 7) % 50);
        s.calibration = calibrated(*s.model, ids);
        return s;
    }
    Result<std::shared_ptr<const Run>> execute(const Subject& s, const Plan& plan, const fs::path& folder,
                                               const JobContext& job = {}) {
        RunOptions options;
        options.directory = folder;
        return executePlan(*s.model, plan, s.calibration.get(), options, *m_backend, job);
    }
    Result<Matrix> logits(const Subject& s, const WeightSource& weights, const std::vector<int32_t>& ids) {
        return computeLogits(s.model->spec(), weights, ids, *m_backend, {});
    }
    static std::map<std::string, std::string> unitFiles(const fs::path& run) {
        std::map<std::string, std::string> out;
        for (const auto& e : fs::directory_iterator(run / "units"))
            out[e.path().filename().string()] = *sha256OfFile(e.path());
        return out;
    }

private slots:
    void initTestCase() { m_backend = makeCpuBackend(); }

    // Quantized with eight bits, the folded model is as near to the original as the plain one, whatever the
    // factors: a fold gone wrong moves logits by units.
    void functionStays_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"llama",     "llama_bias", "qwen2",     "qwen3",
                                 "gemma",     "gemma2",     "gemma3",    "phi3",
                                 "gpt2",      "opt",        "bloom",     "gpt_neox",
                                 "falcon_7b", "falcon_40b", "stablelm",  "stablelm_parallel",
                                 "mixtral",   "qwen2_moe",  "qwen3_moe", "bert"})
            QTest::newRow(name) << name;
    }
    void functionStays() {
        QFETCH(QString, name);
        const Subject s = golden(name.toStdString());
        const auto ids = goldenTokens(name.toStdString());
        const auto original = logits(s, *modelWeights(*s.model), ids);
        QS_VERIFY_OK(original);
        double worst[2] = {};
        for (const bool folded : {false, true}) {
            Recipe r = recipe(json::array(), eightBits());
            if (folded) r.transforms = {*TransformUse::make("smoothquant")};
            const auto run = execute(s, resolvePlan(r, *s.model), scratchDir("transformed-run"));
            QS_VERIFY_OK(run);
            QCOMPARE((*run)->changedTensors().empty(), !folded);
            const auto weights = runWeights(*run, s.model);
            QS_VERIFY_OK(weights);
            const auto l = logits(s, **weights, ids);
            QS_VERIFY_OK(l);
            worst[folded] = largestDifference(l->span(), original->span());
        }
        qInfo("%s: %.3g plain, %.3g folded", qPrintable(name), worst[0], worst[1]);
        // Routers of mixtures choose other experts for a hair's breadth: there the ratio alone says
        // something.
        QVERIFY(worst[0] > 0 && (worst[0] < 0.6 || s.model->spec().blocks.back().mixture));
        QVERIFY2(worst[1] < 2 * worst[0] + 0.05, qPrintable(QString::number(worst[1])));
    }

    /// The same for shifts, which biases of norms and of (fused) linears take up; GPTQ behind quantized
    /// blocks.
    void shiftsStay_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("transform");
        for (const char* transform : {"outlier_suppression_plus", "repquant"})
            for (const char* name : {"gpt2", "opt", "bloom", "gpt_neox"})
                QTest::addRow("%s %s", transform, name) << name << transform;
    }
    void shiftsStay() {
        QFETCH(QString, name);
        QFETCH(QString, transform);
        const Subject s = golden(name.toStdString());
        const auto ids = goldenTokens(name.toStdString());
        const auto original = logits(s, *modelWeights(*s.model), ids);
        QS_VERIFY_OK(original);
        double worst[2] = {};
        for (const bool shifted : {false, true}) {
            Recipe r = recipe(json::array(), eightBits(), "gptq");
            if (shifted) r.transforms = {*TransformUse::make(transform.toStdString())};
            const auto run = execute(s, resolvePlan(r, *s.model), scratchDir("shifted-run"));
            QS_VERIFY_OK(run);
            for (const FoldSpec& fold : s.model->spec().blocks[1].folds)
                if (fold.producer == FoldSpec::Producer::Norm)
                    QCOMPARE((*run)->changedTensors().count(fold.norm.bias) > 0, shifted);
            const auto weights = runWeights(*run, s.model);
            QS_VERIFY_OK(weights);
            const auto l = logits(s, **weights, ids);
            QS_VERIFY_OK(l);
            worst[shifted] = largestDifference(l->span(), original->span());
        }
        qInfo("%s: %.3g plain, %.3g shifted", qPrintable(name), worst[0], worst[1]);
        QVERIFY2(worst[1] < 2 * worst[0] + 0.05, qPrintable(QString::number(worst[1])));
    }
    // What a run stores is the original weight in scaled coordinates; what it reports, the error with the
    // factors taken back.
    void storedTensorsAreScaledOnes() {
        const Subject s = small();
        const auto run = execute(s, resolvePlan(recipe({{{"id", "smoothquant"}}}), *s.model),
                                 scratchDir("transformed-run"));
        QS_VERIFY_OK(run);
        const auto base = modelWeights(*s.model);
        const auto weights = runWeights(*run, s.model);
        QS_VERIFY_OK(weights);
        for (const QuantTarget& t : s.model->targets()) {
            const auto scaling = (*run)->scalingOf(t);
            QS_VERIFY_OK(scaling);
            QCOMPARE(scaling->columns.size(), t.cols);
            QCOMPARE(scaling->rows.size(), t.role == "v" || t.role == "up" ? t.rows : size_t(0));
            const Matrix w = *base->matrix(t.weight);
            Matrix q = *(*weights)->matrix(t.weight);
            const auto sigma = s.calibration->sigma(t.site);
            QS_VERIFY_OK(sigma);
            for (size_t r = 0; r < t.rows; ++r)
                for (size_t c = 0; c < t.cols; ++c)
                    q(r, c) *= (scaling->rows.empty() ? 1.0f : scaling->rows[r]) / scaling->columns[c];
            const auto e = measureError(w.view(), q.view(), &*sigma);
            QS_VERIFY_OK(e);
            const QuantError& stored = (*run)->result(t.module)->error;
            QVERIFY(std::fabs(e->output - stored.output) <= 1e-4 * stored.output);
            QVERIFY(stored.output < 0.1);
        }
        // Gains times the columns they feed are what they were.
        const std::string norm = "model.layers.1.input_layernorm.weight";
        QVERIFY((*run)->changedTensors().count(norm));
        const Matrix before = *base->matrix(norm), after = *(*weights)->matrix(norm);
        const TensorScaling q = *(*run)->scalingOf(*s.model->findTarget("layers.1.self_attn.q_proj"));
        for (size_t c = 0; c < before.cols(); ++c)
            QVERIFY(std::fabs(after(0, c) * q.columns[c] / before(0, c) - 1) <= 1e-6f);
    }
    // In bfloat16 the factors move to where the divided gains are bfloat16 values: what a gain loses by
    // rounding, its columns get.
    void gainsAreStoredExactly() {
        const Subject s = small(DType::BF16);
        const auto run = execute(s, resolvePlan(recipe({{{"id", "smoothquant"}}}), *s.model),
                                 scratchDir("transformed-run"));
        QS_VERIFY_OK(run);
        const auto base = modelWeights(*s.model), now = *runWeights(*run, s.model);
        for (int b = 0; b < 4; ++b) {
            const std::string norm = fmt::format("model.layers.{}.post_attention_layernorm.weight", b);
            const Matrix before = *base->matrix(norm), after = *now->matrix(norm);
            const TensorScaling up =
                *(*run)->scalingOf(*s.model->findTarget(fmt::format("layers.{}.mlp.up_proj", b)));
            for (size_t c = 0; c < before.cols(); ++c) {
                QCOMPARE(bfloatToFloat(floatToBfloat(after(0, c))), after(0, c));
                QVERIFY(std::fabs(after(0, c) * up.columns[c] / before(0, c) - 1) <= 1e-6f);
            }
        }
    }
    void awqIsNoWorseThanNearest() {
        const Subject s = small();
        const auto plain =
            execute(s, resolvePlan(recipe(json::array(), {{"bits", 3}, {"group", 16}}), *s.model),
                    scratchDir("transformed-run"));
        const auto awq =
            execute(s, resolvePlan(recipe({{{"id", "awq"}}}, {{"bits", 3}, {"group", 16}}), *s.model),
                    scratchDir("transformed-run"));
        QS_VERIFY_OK(plain);
        QS_VERIFY_OK(awq);
        // Of the first block, whose inputs are those of the original: later ones differ.
        for (const char* group : {"self_attn.o_proj", "mlp.down_proj"}) {
            const std::string module = std::string("layers.0.") + group;
            QVERIFY((*awq)->result(module)->error.output <= (*plain)->result(module)->error.output * 1.0001);
        }
        const Plan later = resolvePlan(recipe({{{"id", "smoothquant"}}, {{"id", "awq"}}}), *s.model);
        QS_VERIFY_OK(execute(s, later, scratchDir("transformed-run")));
    }
    void foldsOfKeptLinearsAreLeftAlone() {
        const Subject s = small();
        Recipe r = recipe({{{"id", "smoothquant"}}}, eightBits());
        r.rules[0].match = "*.down_proj"; // reads what up_proj writes, which is kept
        const Plan plan = resolvePlan(r, *s.model);
        QVERIFY(!plan.hasErrors());
        const auto run = execute(s, plan, scratchDir("transformed-run"));
        QS_VERIFY_OK(run);
        QCOMPARE((*run)->changedTensors().size(), size_t(4));
        for (int b = 0; b < 4; ++b)
            QVERIFY((*run)->changedTensors().count(fmt::format("model.layers.{}.mlp.up_proj.weight", b)));
        const std::vector<int32_t> ids = {3, 9, 27, 31, 8, 24};
        const auto a = logits(s, *modelWeights(*s.model), ids),
                   b = logits(s, **runWeights(*run, s.model), ids);
        QS_VERIFY_OK(a);
        QS_VERIFY_OK(b);
        // At 8 bits a fold that is wrong would stand out; factors may make rounding itself a little worse.
        r.transforms.clear();
        const auto plain = execute(s, resolvePlan(r, *s.model), scratchDir("untransformed-run"));
        QS_VERIFY_OK(plain);
        const auto c = logits(s, **runWeights(*plain, s.model), ids);
        QS_VERIFY_OK(c);
        const double moved = largestDifference(c->span(), a->span());
        QVERIFY2(
            moved > 0 && largestDifference(a->span(), b->span()) < 4 * moved,
            qPrintable(QString("%1 against %2").arg(largestDifference(a->span(), b->span())).arg(moved)));
    }
    void resumedRunIsTheSame_data() {
        QTest::addColumn<QString>("transform");
        QTest::addColumn<QString>("method");
        QTest::newRow("awq, gptq") << "awq"
                                   << "gptq";
        QTest::newRow("awq, rtn") << "awq"
                                  << "rtn";
        QTest::newRow("smoothquant, gptq") << "smoothquant"
                                           << "gptq";
    }
    void resumedRunIsTheSame() {
        QFETCH(QString, transform);
        QFETCH(QString, method);
        const Subject s = small(DType::BF16);
        const Plan plan = resolvePlan(
            recipe({{{"id", transform.toStdString()}}}, {{"bits", 3}, {"group", 16}}, qPrintable(method)),
            *s.model);
        const auto whole = scratchDir("transformed-whole"), killed = scratchDir("transformed-killed");
        QS_VERIFY_OK(execute(s, plan, whole));
        KilledChild child([&] {
            RunOptions options;
            options.directory = killed;
            options.unitFinished = [](int unit, const std::vector<TensorResult>&) {
                if (unit == 1) ::raise(SIGKILL);
            };
            const auto backend = makeCpuBackend(1);
            (void)executePlan(*s.model, plan, s.calibration.get(), options, *backend, {});
        });
        QVERIFY(child.killedItself());
        QCOMPARE((*Run::open(killed))->unitsDone(), 2);
        QS_VERIFY_OK(execute(s, plan, killed));
        const auto expected = unitFiles(whole);
        QCOMPARE(expected.size(), size_t(8)); // codes and folds of four blocks
        QVERIFY(unitFiles(killed) == expected);
        // A damaged file of folds is made again, and so are later units.
        fs::resize_file(killed / "units/0001.fold.h5", 100);
        QS_VERIFY_OK(execute(s, plan, killed));
        QVERIFY(unitFiles(killed) == expected);
    }
    void refusals() {
        const Subject s = small();
        const Plan plan = resolvePlan(recipe({{{"id", "smoothquant"}}}), *s.model);
        QVERIFY(plan.needsCalibration());
        RunOptions options;
        options.directory = scratchDir("transformed-refused");
        const auto without = executePlan(*s.model, plan, nullptr, options, *m_backend, {});
        QVERIFY(!without);
        QVERIFY2(without.error().message.find("calibration") != std::string::npos,
                 without.error().message.c_str());

        const auto folder = scratchDir("transformed-unknown");
        SmallModelShape shape;
        json config = smallConfig(shape);
        config["architectures"] = {"SomethingElse"};
        QS_VERIFY_OK(writeSmallModel(folder, shape, config));
        const auto unknown = *openModel(folder);
        const Plan refused = resolvePlan(recipe({{{"id", "awq"}}}), *unknown);
        QVERIFY(refused.hasErrors());
        QCOMPARE(refused.issues.front().rule, std::string("transform-needs-forward"));
    }
    void damagedFactorsAreFound() {
        const Subject s = small();
        const auto folder = scratchDir("transformed-damaged");
        const auto run = execute(s, resolvePlan(recipe({{{"id", "smoothquant"}}}), *s.model), folder);
        QS_VERIFY_OK(run);
        const fs::path file = folder / "units/0000.fold.h5";
        const std::string norm = "model.layers.0.input_layernorm.weight";
        QVERIFY(readKeptTensor(file, norm, 1, 32));
        QVERIFY(!readKeptTensor(file, norm, 1, 31));
        QVERIFY(!readKeptTensor(file, "model.norm.weight", 1, 32));
        FoldedUnit unit;
        unit.scaling["w"].columns = {1, 0, 1};
        unit.kept["x"] = Matrix(1, 2);
        unit.kept["x"](0, 1) = NAN;
        QS_VERIFY_OK(writeFoldedUnit(file, unit));
        const auto factors = readScaling(file, "w", 5, 3);
        QVERIFY(!factors && factors.error().code == ErrorCode::Corrupt);
        QVERIFY(!readScaling(file, "w", 5, 4));
        const auto kept = readKeptTensor(file, "x", 1, 2);
        QVERIFY(!kept && kept.error().code == ErrorCode::Corrupt);
    }
};

QS_TEST(TransformedRun)
#include "tst_transformed_run.moc"
