// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

QS_SAMPLE(architecture, gpt_neox, [](const std::filesystem::path&) { return goldenCase("gpt_neox"); })

class Architecture_gpt_neox : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gpt_neox", "gpt_neox_sequential"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "gpt_neox");
    }
    void rowsOfTheFusedLinear() {
        // 2 heads of 16: the stored rows are q0 k0 v0 q1 k1 v1.
        const auto model = openCase("gpt_neox");
        const AttentionSpec& a = model->spec().blocks[1].attention;
        QCOMPARE(a.q.module, std::string("layers.1.attention.q_proj"));
        QVERIFY((a.q.place.rows == std::vector<RowRange>{{0, 16}, {48, 16}}));
        QVERIFY((a.k.place.rows == std::vector<RowRange>{{16, 16}, {64, 16}}));
        QVERIFY((a.v.place.rows == std::vector<RowRange>{{32, 16}, {80, 16}}));
        QVERIFY(a.v.biasPlace.rows == a.v.place.rows);
        QCOMPARE(model->spec().ropes.size(), size_t(1));
        QCOMPARE(model->spec().ropes[0].dims, size_t(4));
    }
    void ropeSpellings() {
        const auto v5 = openCase("gpt_neox", json{{"rotary_pct", nullptr},
                                                  {"rotary_emb_base", nullptr},
                                                  {"rope_parameters",
                                                   {{"rope_type", "linear"},
                                                    {"factor", 2.0},
                                                    {"rope_theta", 5000.0},
                                                    {"partial_rotary_factor", 0.5}}}});
        QCOMPARE(v5->spec().ropes[0].dims, size_t(8));
        QCOMPARE(v5->spec().ropes[0].theta, 5000.0);
        QVERIFY(v5->spec().ropes[0].scaling == RopeSpec::Scaling::Linear);
        const auto bare = openCase("gpt_neox", json{{"rotary_pct", nullptr}, {"rotary_emb_base", nullptr}});
        QCOMPARE(bare->spec().ropes[0].dims, size_t(4)); // a quarter
        QCOMPARE(bare->spec().ropes[0].theta, 10000.0);
        const auto theta = openCase("gpt_neox", json{{"rotary_emb_base", nullptr}, {"rope_theta", 20000}});
        QCOMPARE(theta->spec().ropes[0].theta, 20000.0);
    }
    void defaults() {
        const auto model = openCase("gpt_neox", json{{"use_parallel_residual", nullptr},
                                                     {"attention_bias", nullptr},
                                                     {"hidden_act", nullptr},
                                                     {"layer_norm_eps", nullptr}});
        const BlockSpec& b = model->spec().blocks[0];
        QVERIFY(b.parallel);
        QVERIFY(!b.attention.o.bias.empty());
        QVERIFY(b.mlp.activation == Activation::GeluErf);
        QCOMPARE(b.mlpNorms.before.eps, 1e-5);
        const auto plain = openCase("gpt_neox", json{{"attention_bias", false}});
        QVERIFY(plain->spec().blocks[0].attention.q.bias.empty());
        QVERIFY(!plain->spec().blocks[0].mlp.up.bias.empty());
    }
    void refused() {
        refusedBecause("gpt_neox", {{"rotary_pct", 0.2}}, "'rotary_pct' 0.2 of head dimension 16");
        refusedBecause("gpt_neox", {{"rotary_pct", 1.5}}, "'rotary_pct' 1.5");
        refusedBecause("gpt_neox", {{"rope_scaling", {{"type", "spiral"}, {"factor", 2}}}}, "spiral");
        refusedBecause("gpt_neox", {{"num_attention_heads", 3}}, "'num_attention_heads' 3");
        refusedBecause("gpt_neox", {{"hidden_size", 64}}, "shape is [62, 32], config.json says [62, 64]");
        refusedBecause("gpt_neox", {{"hidden_act", "snake"}}, "'hidden_act' is snake");
    }
};

QS_TEST(Architecture_gpt_neox)
#include "tst_architecture_gpt_neox.moc"
