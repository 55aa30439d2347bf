// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exporter/gguf_fixture.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class Exporter_gguf : public QObject {
    Q_OBJECT
private slots:
    /// Names, orders, shifts, stacks and keys: read back, each model computes what it did (and what NumPy
    /// did, see the tests of the architectures). Gemma 2 and 3 have what llama.cpp takes for granted put in.
    void everyArchitecture_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("patch");
        for (const char* name : {"llama",         "llama_bias", "llama_linear",      "llama_llama3",
                                 "llama_v5",      "llama_yarn", "llama_longrope",    "mistral",
                                 "mixtral",       "qwen2",      "qwen2_moe",         "qwen3",
                                 "qwen3_moe",     "gemma",      "gemma_legacy",      "phi3",
                                 "phi3_longrope", "gpt2",       "gpt_neox",          "gpt_neox_sequential",
                                 "bloom",         "falcon_7b",  "falcon_11b",        "falcon_40b",
                                 "stablelm",      "bert",       "stablelm_parallel", "bert_legacy"})
            QTest::newRow(name) << name << QByteArray("{}");
        QTest::newRow("gemma2") << "gemma2" << QByteArray(R"({"query_pre_attn_scalar": 8})");
        QTest::newRow("gemma3") << "gemma3"
                                << QByteArray(R"({"query_pre_attn_scalar": 8, "sliding_window_pattern": 6,
                                                  "layer_types": null})");
        QTest::newRow("yarn with a factor of its own")
            << "llama_yarn" << QByteArray(R"({"rope_scaling": {"attention_factor": 1.5}})");
    }
    void everyArchitecture() {
        QFETCH(QString, name);
        QFETCH(QByteArray, patch);
        Fixture f;
        f.model = openCase(name.toStdString(), json::parse(patch.toStdString()));
        const ExportSource s = ggufSource(f, kNone);
        for (const LintIssue& i : lintGguf(*f.model, s.plan))
            QVERIFY2(i.severity != Severity::Error, i.message.c_str());
        const auto w = writeAndVerify(s, "gguf-architecture");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        if (!f.model->spec().causal) return; // llama.cpp's encoders have no head, so there are no logits
        const auto tokens = goldenTokens(name.toStdString());
        const auto logits = logitsOf(*w->model, *modelWeights(*w->model), tokens),
                   expected = logitsOf(*f.model, *modelWeights(*f.model), tokens);
        QS_VERIFY_OK(logits);
        QS_VERIFY_OK(expected);
        const double worst = largestDifference(logits->span(), expected->span());
        QVERIFY2(worst <= 1e-4, qPrintable(QString::number(worst)));
    }

    void whatLlamaCppComputesOtherwiseIsRefused_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("words");
        QTest::newRow("dynamic") << "llama_dynamic"
                                 << "dynamic";
        QTest::newRow("bloom residual") << "bloom_post_norm"
                                        << "residual";
        QTest::newRow("falcon rw") << "falcon_rw"
                                   << "ALiBi";
        QTest::newRow("gpt2 scaling") << "gpt2_scaled"
                                      << "scaled";
        QTest::newRow("opt") << "opt"
                             << "no architecture 'opt'";
        QTest::newRow("qwen2 window") << "qwen2_sliding"
                                      << "sliding window";
        QTest::newRow("gemma2 scaling") << "gemma2"
                                        << "scaled";
        QTest::newRow("gemma3 pattern") << "gemma3"
                                        << "sliding window";
    }
    void whatLlamaCppComputesOtherwiseIsRefused() {
        QFETCH(QString, name);
        QFETCH(QString, words);
        Fixture f = goldenFixture(name.toStdString());
        std::string said;
        for (const LintIssue& i : lintGguf(*f.model, planFor(f, kNone)))
            if (i.severity == Severity::Error) said += i.message + "\n";
        QVERIFY2(QString::fromStdString(said).contains(words), said.c_str());
    }

    void splitFilesReadAsOne() {
        Fixture f = makeFixture(DType::F32);
        const ExportSource s = ggufSource(f, [](const QuantTarget&) { return intOf(4, 32); });
        ExportSource split = s;
        split.params = ggufParams({{"split_mb", 1}});
        const auto whole = writeAndVerify(s, "gguf-whole");
        QS_VERIFY_OK(whole);
        QVERIFY(fs::exists(whole->folder / "model.gguf")); // below a megabyte: not split
        Fixture sample;
        sample.model = *openModel(sourceDir() / "resources/sample/model");
        const ExportSource large = ggufSource(sample, kNone, {{"split_mb", 3}});
        const auto w = writeAndVerify(large, "gguf-split");
        QS_VERIFY_OK(w);
        QVERIFY2(w->receipt.verified, w->receipt.summary().c_str());
        QVERIFY(fs::exists(w->folder / "model-00001-of-00003.gguf"));
        for (const auto& [name, hash] : w->receipt.files)
            if (name.ends_with(".gguf")) QVERIFY(fs::file_size(w->folder / name) < 3'100'000);
    }

    void metadataTellsWhereItComesFrom() {
        Fixture f = makeFixture(DType::F16);
        const ExportSource s = ggufSource(f, [](const QuantTarget& t) -> std::optional<Scheme> {
            if (t.role == "v") return std::nullopt;
            return intOf(5, 32);
        });
        const auto w = writeAndVerify(s, "gguf-metadata");
        QS_VERIFY_OK(w);
        const GgufMetadata& m = w->set->metadata();
        QCOMPARE(*m.text("general.architecture"), std::string_view("llama"));
        QCOMPARE(*m.size("general.quantization_version", 9), uint64_t(2));
        QCOMPARE(*m.size("general.file_type", 99), uint64_t(8)); // most values are Q5_0
        QCOMPARE(*m.text("quantoscope.plan"), std::string_view("abc"));
        QCOMPARE(*m.text("quantoscope.export"), std::string_view(s.sidecar));
        QCOMPARE(*m.size("llama.attention.head_count_kv", 99), uint64_t(1));
        QCOMPARE(*m.number("llama.rope.freq_base"), 10000.0);
    }

    /// The window of the acceptance: what runtimes read is what was measured.
    void perplexityIsTheRuns_data() {
        QTest::addColumn<int>("bits");
        QTest::newRow("Q4_0") << 4;
        QTest::newRow("Q8_0") << 8;
    }
    void perplexityIsTheRuns() {
        QFETCH(int, bits);
        const auto model = openModel(sourceDir() / "resources/sample/model");
        QS_VERIFY_OK(model);
        const auto backend = makeCpuBackend();
        RunOptions options;
        options.directory = scratchDir("gguf-sample-run");
        const Plan plan = resolvePlan(Recipe::uniform(intOf(bits, 32)), **model);
        const auto run = executePlan(**model, plan, nullptr, options, *backend, JobContext());
        QS_VERIFY_OK(run);
        const auto target = scratchDir("gguf-sample") / "made";
        const auto receipt = exportRun("gguf", {*model, *run, target, ggufParams({})}, JobContext());
        QS_VERIFY_OK(receipt);
        const auto written = openModel(target);
        QS_VERIFY_OK(written);
        const std::string text = readAll(sourceDir() / "resources/sample/model/tokenizer_config.json") +
                                 "Once upon a time there was a small machine that wanted to speak. " +
                                 readAll(sourceDir() / "CONTRIBUTING.md");
        const auto ids = (*written)->tokenizer()->encode(text), same = (*model)->tokenizer()->encode(text);
        QS_VERIFY_OK(ids);
        QVERIFY(*ids == *same);
        const auto windows = cutWindows(*ids, 128, 6);
        QS_VERIFY_OK(windows);
        const auto weights = runWeights(*run, *model);
        const auto ofRun = evaluate((*model)->spec(), **weights, nullptr, *windows, {}, *backend, {});
        const auto ofFile =
            evaluate((*written)->spec(), *modelWeights(**written), nullptr, *windows, {}, *backend, {});
        QS_VERIFY_OK(ofRun);
        QS_VERIFY_OK(ofFile);
        QVERIFY2(std::abs(ofFile->perplexity - ofRun->perplexity) <= 1e-3 * ofRun->perplexity,
                 qPrintable(QString("%1 against %2").arg(ofFile->perplexity).arg(ofRun->perplexity)));
    }
};

QS_TEST(Exporter_gguf)
#include "tst_exporter_gguf.moc"