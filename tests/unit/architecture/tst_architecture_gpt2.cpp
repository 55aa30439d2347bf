// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

QS_SAMPLE(architecture, gpt2, [](const std::filesystem::path&) { return goldenCase("gpt2"); })

class Architecture_gpt2 : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gpt2", "gpt2_scaled"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "gpt2");
    }
    void linearsAreLogical() {
        const auto model = openCase("gpt2");
        QCOMPARE(model->targets().size(), size_t(12));
        const QuantTarget* k = model->findTarget("h.1.attn.k_proj");
        QVERIFY(k);
        QCOMPARE(k->rows, size_t(24));
        QCOMPARE(k->cols, size_t(24));
        QCOMPARE(k->fusedGroup, std::string("h.1.qkv"));
        const QuantTarget* up = model->findTarget("h.0.mlp.c_fc");
        QVERIFY(up);
        QCOMPARE(up->rows, size_t(96)); // stored as [24, 96]
        QCOMPARE(up->cols, size_t(24));
        // Element [out, in] of k is element [in, 24 + out] of the stored matrix.
        const auto weight = model->readTarget(*k);
        QS_VERIFY_OK(weight);
        const auto& c = model->checkpoint();
        const auto stored = c.readMatrix(c.find("h.1.attn.c_attn.weight"));
        QS_VERIFY_OK(stored);
        for (size_t out = 0; out < 24; ++out)
            for (size_t in = 0; in < 24; ++in)
                QCOMPARE((*weight)(out, in), (*stored)(in, 24 + out));
    }
    void defaults() {
        // What old files leave out.
        const auto model = openCase("gpt2", json{{"n_inner", nullptr},
                                                 {"activation_function", nullptr},
                                                 {"layer_norm_epsilon", nullptr},
                                                 {"scale_attn_weights", nullptr},
                                                 {"scale_attn_by_inverse_layer_idx", nullptr},
                                                 {"architectures", nullptr}});
        const ModelSpec& s = model->spec();
        QCOMPARE(s.intermediate, size_t(96));
        QCOMPARE(s.context, size_t(40));
        QVERIFY(s.head.tied);
        QVERIFY(s.blocks[1].mlp.activation == Activation::GeluTanh);
        QVERIFY(std::fabs(s.blocks[1].attention.scale - 1 / std::sqrt(8.0)) <= 1e-15);
    }
    void scales() {
        const auto unscaled = openCase("gpt2", json{{"scale_attn_weights", false}});
        QCOMPARE(unscaled->spec().blocks[0].attention.scale, 1.0);
    }
    void windowsBeyondThePositions() {
        const auto model = openCase("gpt2");
        const auto backend = makeCpuBackend();
        const std::vector<int32_t> ids(41, 5);
        const auto r = computeLogits(model->spec(), *modelWeights(*model), ids, *backend, {});
        QVERIFY(!r);
        QVERIFY2(r.error().message.find("40") != std::string::npos, r.error().message.c_str());
    }
    void refused() {
        refusedBecause("gpt2", {{"n_embd", nullptr}}, "n_embd");
        refusedBecause("gpt2", {{"n_head", 5}}, "'n_embd' 24 is not a multiple of 'n_head' 5");
        refusedBecause("gpt2", {{"n_positions", 64}}, "shape is [40, 24], config.json says [64, 24]");
        refusedBecause("gpt2", {{"n_inner", 100}}, "shape is [24, 96], config.json says [24, 100]");
        refusedBecause("gpt2", {{"activation_function", "tanh"}}, "'activation_function' is tanh");
        refusedBecause("gpt2", {{"add_cross_attention", true}}, "add_cross_attention");
        refusedBecause("gpt2", {{"n_layer", 3}}, "h.2.");
    }
};

QS_TEST(Architecture_gpt2)
#include "tst_architecture_gpt2.moc"
