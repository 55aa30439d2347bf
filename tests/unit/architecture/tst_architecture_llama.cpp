// SPDX-License-Identifier: Apache-2.0
#include "core/base/npy.h"
#include "core/model/architecture.h"
#include "core/model/forward.h"
#include "core/model/generate.h"
#include "tests/support/samples.h"
#include "tests/support/small_model.h"
#include "tests/unit/architecture/golden_case.h"

#include <cmath>
#include <fstream>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

QS_SAMPLE(architecture, llama, [](const std::filesystem::path& folder) {
    const SmallModelShape shape{.hidden = 16, .intermediate = 24, .vocabulary = 11, .heads = 4, .kvHeads = 2};
    json config = smallConfig(shape);
    config["head_dim"] = 4;
    config["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", 8.0},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 32}};
    const auto written = writeSmallModel(folder, shape, config);
    if (!written) qFatal("%s", written.error().describe().c_str());
    return folder;
})

class Architecture_llama : public QObject {
    Q_OBJECT

    static void compareLogits(const std::filesystem::path& model, const std::vector<int>& ids,
                              const NpyData<float>& expected, double tolerance) {
        auto m = openModel(model);
        QS_VERIFY_OK(m);
        QVERIFY2((*m)->hasForward(), (*m)->noForwardReason().c_str());
        auto backend = makeCpuBackend();
        std::vector<int32_t> tokens(ids.begin(), ids.end());
        const auto logits = computeLogits((*m)->spec(), *modelWeights(**m), tokens, *backend, {});
        QS_VERIFY_OK(logits);
        QCOMPARE(logits->size(), expected.values.size());
        double worst = 0;
        for (size_t i = 0; i < logits->size(); ++i) {
            const double d = std::fabs(double(logits->data()[i]) - double(expected.values[i]));
            if (!(d <= worst)) worst = std::isnan(d) ? INFINITY : d;
        }
        qInfo("largest difference %.3g", worst);
        QVERIFY2(worst <= tolerance, qPrintable(QString::number(worst)));
    }

private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"llama", "llama_bias", "llama_linear", "llama_dynamic", "llama_llama3",
                                 "llama_yarn", "llama_longrope", "llama_v5", "mistral"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "llama");
    }
    void sharedReferences_data() {
        QTest::addColumn<QString>("name");
        QTest::newRow("stories260K") << "stories260K";
        QTest::newRow("stories940K-char") << "stories940K-char";
    }
    void sharedReferences() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, name);
        const auto dir = shared / "data/models" / name.toStdString();
        const json reference = json::parse(std::ifstream(dir / "reference/reference.json"));
        const auto expected = readNpyFloat(dir / "reference/logits_first64.npy");
        QS_VERIFY_OK(expected);
        compareLogits(dir, reference.at("fixed_text_ids_first64").get<std::vector<int>>(), *expected, 1e-4);
    }
    void greedyContinuation_data() { sharedReferences_data(); }
    void greedyContinuation() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, name);
        const auto dir = shared / "data/models" / name.toStdString();
        const json greedy = json::parse(std::ifstream(dir / "reference/reference.json")).at("greedy");
        auto m = openModel(dir);
        QS_VERIFY_OK(m);
        const auto ids = (*m)->tokenizer()->encode(greedy.at("prompt").get<std::string>());
        QS_VERIFY_OK(ids);
        auto backend = makeCpuBackend();
        GenerateOptions options;
        options.maxNewTokens = 60; // the start of the stored text is enough
        const auto made = generate((*m)->spec(), *modelWeights(**m), *ids, options, *backend, {});
        QS_VERIFY_OK(made);
        std::vector<int> all = *ids;
        all.insert(all.end(), made->begin(), made->end());
        const auto text = (*m)->tokenizer()->decode(all);
        QS_VERIFY_OK(text);
        const std::string stored = greedy.at("text").get<std::string>();
        QVERIFY2(stored.compare(0, text->size(), *text) == 0, text->c_str());
    }
    void sampleModel() {
        const auto dir = qs::test::sourceDir() / "resources/sample";
        const json reference = json::parse(std::ifstream(dir / "reference/reference.json"));
        const auto expected = readNpyFloat(dir / "reference/reference_logits.npy");
        QS_VERIFY_OK(expected);
        std::vector<int> ids = reference.at("input_ids").get<std::vector<int>>();
        compareLogits(dir / "model", ids, *expected, 1e-3);
    }
    void configSpellings() {
        const auto dir = scratchDir("llama-config");
        SmallModelShape shape;
        const auto specOf = [&](const json& config) {
            auto written = writeSmallModel(dir, shape, config);
            if (!written) qFatal("%s", written.error().describe().c_str());
            return *openModel(dir);
        };
        json v5 = smallConfig(shape);
        v5.erase("rope_theta");
        v5["dtype"] = "float32";
        v5["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
        auto m = specOf(v5);
        QVERIFY2(m->hasForward(), m->noForwardReason().c_str());
        QCOMPARE(m->spec().ropes[0].theta, 500000.0);
        json v4 = smallConfig(shape);
        v4["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
        v4["head_dim"] = nullptr;
        m = specOf(v4);
        QVERIFY2(m->hasForward(), m->noForwardReason().c_str());
        QCOMPARE(m->spec().ropes[0].inverseFrequencies(64)[0], 0.25);
        QCOMPARE(m->spec().headDim, size_t(8));
        json llama3 = smallConfig(shape);
        llama3["rope_scaling"] = {{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 8192}};
        m = specOf(llama3);
        QVERIFY(m->hasForward());
        RopeSpec rope = m->spec().ropes[0];
        rope.dims = 128;
        const auto f = rope.inverseFrequencies(64);
        // Wavelength 2 pi < 8192 / 4 is kept; 2 pi 10000^(126/128) = 54412 > 8192 is divided by 8.
        QCOMPARE(f[0], 1.0);
        QVERIFY(std::fabs(f[63] - std::pow(10000.0, -126.0 / 128.0) / 8) <= 1e-12);
    }
    void wrongConfigsBecomeTensorLevel_data() {
        QTest::addColumn<QString>("patch");
        QTest::addColumn<QString>("word");
        QTest::newRow("unknown class") << R"({"architectures":["MambaForCausalLM"]})"
                                       << "MambaForCausalLM";
        QTest::newRow("missing hidden") << R"({"hidden_size":null})"
                                        << "hidden_size";
        QTest::newRow("negative") << R"({"hidden_size":-32})"
                                  << "-32";
        QTest::newRow("text") << R"({"intermediate_size":"64"})"
                              << "intermediate_size";
        QTest::newRow("huge") << R"({"num_attention_heads":99999999999})"
                              << "num_attention_heads";
        QTest::newRow("heads do not divide") << R"({"num_attention_heads":5})"
                                             << "32";
        QTest::newRow("too many blocks") << R"({"num_hidden_layers":3})"
                                         << "layers.2";
        QTest::newRow("shape differs") << R"({"intermediate_size":128})"
                                       << "[64, 32]";
        QTest::newRow("activation") << R"({"hidden_act":"mish"})"
                                    << "mish";
        QTest::newRow("rope type") << R"({"rope_scaling":{"type":"spiral","factor":2}})"
                                   << "spiral";
    }
    void wrongConfigsBecomeTensorLevel() {
        QFETCH(QString, patch);
        QFETCH(QString, word);
        const auto dir = scratchDir("llama-wrong");
        SmallModelShape shape;
        json config = smallConfig(shape);
        config.update(json::parse(patch.toStdString()));
        QS_VERIFY_OK(writeSmallModel(dir, shape, config));
        const auto m = openModel(dir);
        QS_VERIFY_OK(m);
        QVERIFY(!(*m)->hasForward());
        QVERIFY2((*m)->noForwardReason().find(word.toStdString()) != std::string::npos,
                 (*m)->noForwardReason().c_str());
        QVERIFY((*m)->noForwardReason().find("config.json") != std::string::npos ||
                word.startsWith("layers") || word.startsWith("["));
        QCOMPARE((*m)->targets().size(),
                 size_t(14)); // 7 linears of 2 blocks, found by shape; not the embedding
        QVERIFY(!(*m)->requireForward());
    }
    void weightFileMeansItsFolder() {
        const auto m = openModel(qs::test::sampleModel() / "model.safetensors");
        QS_VERIFY_OK(m);
        QVERIFY2((*m)->hasForward(), (*m)->noForwardReason().c_str());
        QVERIFY((*m)->tokenizer());
    }
    void cancelled() {
        const auto dir = scratchDir("llama-cancel");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto m = *openModel(dir);
        auto backend = makeCpuBackend();
        std::stop_source stop;
        stop.request_stop();
        const std::vector<int32_t> ids = {1, 2, 3};
        const auto r =
            computeLogits(m->spec(), *modelWeights(*m), ids, *backend, JobContext(stop.get_token()));
        QVERIFY(r.isCancelled());
        const std::vector<int32_t> outside = {1, 50};
        const auto bad = computeLogits(m->spec(), *modelWeights(*m), outside, *backend, {});
        QVERIFY(!bad);
        QVERIFY(bad.error().message.find("50") != std::string::npos);
    }
};

QS_TEST(Architecture_llama)
#include "tst_architecture_llama.moc"
