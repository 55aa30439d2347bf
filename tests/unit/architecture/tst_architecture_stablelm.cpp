// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

QS_SAMPLE(architecture, stablelm,
          [](const std::filesystem::path&) { return goldenCase("stablelm_parallel"); })

class Architecture_stablelm : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"stablelm", "stablelm_parallel"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "stablelm");
    }
    void normsPerHead() {
        const auto model = openCase("stablelm_parallel");
        const AttentionSpec& a = model->spec().blocks[1].attention;
        QCOMPARE(a.qNorm.gain.size(), size_t(4));
        QCOMPARE(a.kNorm.gain.size(), size_t(2));
        QCOMPARE(a.kNorm.gain[1], std::string("model.layers.1.self_attn.k_layernorm.norms.1.weight"));
        QVERIFY(a.kNorm.bias.empty());
        QCOMPARE(model->spec().blocks[1].mlp.up.site, a.q.site); // one norm for both halves
    }
    void defaults() {
        const auto bare = openCase("stablelm_parallel", json{{"use_qkv_bias", nullptr}});
        QVERIFY(bare->spec().blocks[0].attention.q.bias.empty());
        const auto plain = openCase("stablelm", json{{"use_parallel_residual", nullptr},
                                                     {"qk_layernorm", nullptr},
                                                     {"partial_rotary_factor", nullptr},
                                                     {"hidden_act", nullptr}});
        QCOMPARE(plain->spec().ropes[0].dims, size_t(4)); // a quarter of 16
        QVERIFY(!plain->spec().blocks[0].parallel);
        QVERIFY(!plain->spec().blocks[0].attention.qNorm);
        QVERIFY(!plain->spec().blocks[0].attention.q.bias.empty());
    }
    void v5Spelling() {
        const auto v5 = openCase(
            "stablelm",
            json{{"rope_theta", nullptr},
                 {"partial_rotary_factor", nullptr},
                 {"rope_parameters",
                  {{"rope_type", "default"}, {"rope_theta", 777.0}, {"partial_rotary_factor", 0.5}}}});
        QCOMPARE(v5->spec().ropes[0].theta, 777.0);
        QCOMPARE(v5->spec().ropes[0].dims, size_t(8));
    }
    void refused() {
        refusedBecause("stablelm_parallel", {{"use_qkv_bias", true}}, "q_proj.bias");
        refusedBecause("stablelm", {{"qk_layernorm", true}}, "q_layernorm.norms.0.weight");
        refusedBecause("stablelm_parallel", {{"use_parallel_residual", false}}, "post_attention_layernorm");
        refusedBecause("stablelm", {{"partial_rotary_factor", 0.2}}, "'partial_rotary_factor' 0.2");
        refusedBecause("stablelm", {{"hidden_act", "snake"}}, "'hidden_act' is snake");
    }
};

QS_TEST(Architecture_stablelm)
#include "tst_architecture_stablelm.moc"
