// SPDX-License-Identifier: Apache-2.0
// Runs with transforms, written by every exporter: the files compute what the run does.
#include "core/export/exporter.h"
#include "core/export/run_checkpoint.h"
#include "core/export/verify.h"
#include "core/run/run.h"
#include "tests/unit/architecture/golden_case.h"
#include "tests/unit/exporter/export_fixture.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class ExportTransforms : public QObject {
    Q_OBJECT
    std::unique_ptr<Backend> m_backend;

    struct Made {
        std::shared_ptr<const Model> source;
        std::shared_ptr<const Run> run;
        std::vector<int32_t> ids;
    };
    /// `id` over all folds of `model`, quantized where `schemes` says so.
    Result<Made> make(std::shared_ptr<const Model> model, const std::vector<int32_t>& ids, const char* id,
                      const SchemeOf& schemes) {
        Made m{model, {}, ids};
        TokenWindows windows(1, ids.size());
        std::copy(ids.begin(), ids.end(), windows.data());
        QS_TRY(const auto calibration,
               calibrate(*model, windows, {}, scratchDir("export-calibration") / "c.h5", *m_backend, {}));
        std::vector<std::optional<Scheme>> list;
        for (const QuantTarget& t : model->targets())
            list.push_back(schemes(t));
        QS_TRY(TransformUse use, TransformUse::make(id));
        const Plan plan = planFromSchemes(list, *model, 0, {.transforms = {std::move(use)}});
        RunOptions options;
        options.directory = scratchDir("export-transformed");
        QS_TRY(m.run, executePlan(*model, plan, calibration.get(), options, *m_backend, {}));
        return m;
    }
    Result<double> logitsDiffer(const Made& m, const Model& written) {
        QS_CHECK(written.requireForward());
        QS_TRY(const auto weights, runWeights(m.run, m.source));
        QS_TRY(const Matrix run, computeLogits(m.source->spec(), *weights, m.ids, *m_backend, {}));
        QS_TRY(const Matrix file,
               computeLogits(written.spec(), *modelWeights(written), m.ids, *m_backend, {}));
        return largestDifference(run.span(), file.span());
    }

private slots:
    void initTestCase() { m_backend = makeCpuBackend(); }

    void logitsAreTheRuns_data() {
        QTest::addColumn<QString>("exporter");
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        QTest::addColumn<int>("type");
        const char *symmetric = R"({"bits": 4, "group": 32, "grid": "symmetric"})",
                   *asymmetric = R"({"bits": 4, "group": 32})";
        const auto row = [](const char* name, const char* exporter, const char* codec, const char* params,
                            DType type) { QTest::newRow(name) << exporter << codec << params << int(type); };
        for (const auto& [name, type] :
             {std::pair("f32", DType::F32), std::pair("bf16", DType::BF16), std::pair("f16", DType::F16)}) {
            row((std::string("dequantized ") + name).c_str(), "dequantized", asymmetric,
                R"({"dtype": "f32"})", type);
            row((std::string("gptq ") + name).c_str(), "gptq", symmetric, "{}", type);
        }
        row("awq", "awq", asymmetric, "{}", DType::F16);
        row("compressed-tensors", "compressed_tensors", symmetric, "{}", DType::BF16);
        row("gguf", "gguf", symmetric, "{}", DType::F16);
        row("hdf5", "hdf5", asymmetric, "{}", DType::BF16);
    }
    void logitsAreTheRuns() {
        QFETCH(QString, exporter);
        QFETCH(QString, codec);
        QFETCH(QString, params);
        QFETCH(int, type);
        const Fixture f = makeFixture(DType(type));
        const std::vector<int32_t> ids = {3, 9, 27, 31, 8, 24, 1, 17, 35, 2};
        // v is kept: its rows change, and stay in the source's type.
        const auto m = make(f.model, ids, "smoothquant", [&](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "v" && exporter == "dequantized") return std::nullopt;
            return intScheme(json::parse(codec.toStdString()));
        });
        QS_VERIFY_OK(m);
        const auto d = findExporter(exporter.toStdString());
        QS_VERIFY_OK(d);
        const auto target = scratchDir("export-out") / "model";
        const auto receipt =
            exportRun(exporter.toStdString(),
                      {m->source, m->run, target,
                       *Params::fromJson((*d)->params, json::parse(params.toStdString()), "t")},
                      {});
        QS_VERIFY_OK(receipt);
        QVERIFY2(receipt->verified, receipt->summary().c_str());
        const auto written = openModel(target);
        QS_VERIFY_OK(written);
        const auto difference = logitsDiffer(*m, **written);
        QS_VERIFY_OK(difference);
        QVERIFY2(*difference <= 1e-3, qPrintable(QString::number(*difference)));
        // Gains are no longer the source's.
        const std::string norm = "model.layers.0.input_layernorm.weight";
        const Matrix before = *f.model->checkpoint().readMatrix(norm),
                     after = *modelWeights(**written)->matrix(norm);
        QVERIFY(largestDifference(before.span(), after.span()) > 0.01);
        const auto sidecar = json::parse(readAll(target / "quantoscope.json"));
        QCOMPARE(sidecar.at("transforms").at(0).at("id").get<std::string>(), std::string("smoothquant"));
        const auto kept = Receipt::fromJson(json::parse(readAll(target / "receipt.json")));
        QS_VERIFY_OK(kept);
        QVERIFY(kept->transforms == receipt->transforms);
        QVERIFY(transformsText(kept->transforms).starts_with("smoothquant alpha="));
        const auto again = verifyExport(m->source, m->run, target, {});
        QS_VERIFY_OK(again);
        QVERIFY2(again->verified, again->summary().c_str());
    }
    // Parts of fused and transposed tensors that are kept, their biases, and routers: changed where they lie.
    void fusedTensors_data() {
        QTest::addColumn<QString>("name");
        for (const char* name :
             {"gpt2", "phi3", "gpt_neox", "falcon_7b", "falcon_40b", "bloom", "opt", "gemma2", "qwen2_moe"})
            QTest::newRow(name) << name;
    }
    void fusedTensors() {
        QFETCH(QString, name);
        const auto model = openModel(goldenCase(name.toStdString()));
        QS_VERIFY_OK(model);
        const auto m = make(*model, goldenTokens(name.toStdString()), "smoothquant",
                            [](const QuantTarget& t) -> std::optional<Scheme> {
                                if (t.role != "o" && t.role != "q" && t.role != "up") return std::nullopt;
                                return intScheme({{"bits", 8}, {"group", -1}, {"scale_dtype", "f32"}});
                            });
        QS_VERIFY_OK(m);
        const auto target = scratchDir("export-fused") / "model";
        const auto receipt = exportRun(
            "dequantized",
            {m->source, m->run, target, Params::defaults((*findExporter("dequantized"))->params)}, {});
        QS_VERIFY_OK(receipt);
        const auto written = openModel(target);
        QS_VERIFY_OK(written);
        const auto difference = logitsDiffer(*m, **written);
        QS_VERIFY_OK(difference);
        QVERIFY2(*difference <= 1e-5, qPrintable(QString::number(*difference)));
        const auto expected = readNpyFloat(goldenCase(name.toStdString()) / "logits.npy");
        QS_VERIFY_OK(expected);
        const auto logits =
            computeLogits((*written)->spec(), *modelWeights(**written), m->ids, *m_backend, {});
        QS_VERIFY_OK(logits);
        const double moved = largestDifference(logits->span(), expected->values);
        QVERIFY2(moved < 0.6, qPrintable(QString::number(moved))); // 8 bits; see ExportArchitectures
    }
    // The check compares with the run's values, not with the source's.
    void keptTensorsOfTheSourceAreNotTheRuns() {
        const Fixture f = makeFixture(DType::F16);
        const auto m = make(f.model, {3, 9, 27, 31, 8, 24}, "smoothquant", [](const QuantTarget&) {
            return intScheme({{"bits", 4}, {"group", 32}});
        });
        QS_VERIFY_OK(m);
        const auto weights = runCheckpoint(m->source, m->run);
        QS_VERIFY_OK(weights);
        const Checkpoint& source = f.model->checkpoint();
        for (const char* name : {"model.layers.1.post_attention_layernorm.weight", "lm_head.weight"}) {
            Receipt receipt;
            QS_VERIFY_OK(verifyKept(**weights, source.find(name), source, receipt, {}));
            const bool same = receipt.lines.front().done == receipt.lines.front().planned;
            QCOMPARE(same, std::string(name) == "lm_head.weight");
        }
        std::vector<std::byte> buffer;
        const size_t norm = source.find("model.layers.1.post_attention_layernorm.weight");
        QVERIFY(!(*weights)->rawBytes(norm));
        QS_VERIFY_OK((*weights)->elementBytes(norm, buffer));
        Matrix tooFar(2, 64);
        QVERIFY(!(*weights)->readRows(norm, 0, tooFar.view()));
    }
};

QS_TEST(ExportTransforms)
#include "tst_export_transforms.moc"
