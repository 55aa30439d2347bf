// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

QS_SAMPLE(architecture, opt, [](const std::filesystem::path&) { return goldenCase("opt_post_norm"); })

class Architecture_opt : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"opt", "opt_post_norm", "opt_plain"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "opt");
    }
    void ends() {
        const auto wide = openCase("opt");
        QCOMPARE(wide->spec().embedding.positionOffset, size_t(2));
        QVERIFY(wide->spec().embedding.projection.empty());
        QVERIFY(bool(wide->spec().head.norm));
        const auto narrow = openCase("opt_post_norm");
        QCOMPARE(narrow->spec().embedding.projection, std::string("model.decoder.project_in.weight"));
        QCOMPARE(narrow->spec().head.projection, std::string("model.decoder.project_out.weight"));
        QVERIFY(!narrow->spec().head.norm);
        QVERIFY(!narrow->spec().blocks[0].attentionNorms.before);
        QVERIFY(bool(narrow->spec().blocks[0].mlpNorms.after));
    }
    void defaults() {
        const auto model = openCase("opt", json{{"word_embed_proj_dim", nullptr},
                                                {"do_layer_norm_before", nullptr},
                                                {"enable_bias", nullptr},
                                                {"layer_norm_elementwise_affine", nullptr},
                                                {"_remove_final_layer_norm", nullptr},
                                                {"activation_function", nullptr}});
        QVERIFY(model->spec().blocks[1].mlp.activation == Activation::Relu);
        QVERIFY(!model->spec().blocks[1].attention.k.bias.empty());
        QVERIFY(bool(model->spec().blocks[1].attentionNorms.before));
        QVERIFY(model->spec().head.tied);
        const auto removed = openCase("opt", json{{"_remove_final_layer_norm", true}});
        QVERIFY(!removed->spec().head.norm);
    }
    void windowsBeyondThePositions() {
        const auto model = openCase("opt");
        const auto backend = makeCpuBackend();
        const std::vector<int32_t> fits(40, 5), tooLong(41, 5);
        QS_VERIFY_OK(computeLogits(model->spec(), *modelWeights(*model), fits, *backend, {}));
        const auto r = computeLogits(model->spec(), *modelWeights(*model), tooLong, *backend, {});
        QVERIFY(!r);
        QVERIFY2(r.error().message.find("40") != std::string::npos, r.error().message.c_str());
    }
    void refused() {
        refusedBecause("opt", {{"ffn_dim", nullptr}}, "ffn_dim");
        refusedBecause("opt", {{"max_position_embeddings", 42}},
                       "shape is [42, 32], config.json says [44, 32]");
        refusedBecause("opt", {{"word_embed_proj_dim", 16}}, "shape is [66, 32], config.json says [66, 16]");
        refusedBecause("opt_post_norm", {{"word_embed_proj_dim", nullptr}},
                       "shape is [66, 20], config.json says [66, 32]");
        refusedBecause("opt_plain", {{"enable_bias", true}}, "q_proj.bias");
        refusedBecause("opt_plain", {{"layer_norm_elementwise_affine", true}}, "layer_norm.weight");
        refusedBecause("opt", {{"activation_function", "tanh"}}, "'activation_function' is tanh");
    }
};

QS_TEST(Architecture_opt)
#include "tst_architecture_opt.moc"
