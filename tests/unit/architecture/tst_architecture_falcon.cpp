// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

QS_SAMPLE(architecture, falcon, [](const std::filesystem::path&) { return goldenCase("falcon_40b"); })

class Architecture_falcon : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"falcon_7b", "falcon_40b", "falcon_11b", "falcon_rw"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "falcon");
    }
    void rowsOfTheFusedLinear() {
        // 7B: 4 heads of 8, one k and v for all of them.
        const auto b7 = openCase("falcon_7b");
        const AttentionSpec& one = b7->spec().blocks[0].attention;
        QCOMPARE(one.kvHeads, size_t(1));
        QVERIFY((one.q.place.rows == std::vector<RowRange>{{0, 32}}));
        QVERIFY((one.v.place.rows == std::vector<RowRange>{{40, 8}}));
        // 40B: 2 groups of 2 heads, each with its k and v.
        const auto b40 = openCase("falcon_40b");
        const AttentionSpec& grouped = b40->spec().blocks[0].attention;
        QCOMPARE(grouped.kvHeads, size_t(2));
        QVERIFY((grouped.q.place.rows == std::vector<RowRange>{{0, 16}, {32, 16}}));
        QVERIFY((grouped.k.place.rows == std::vector<RowRange>{{16, 8}, {48, 8}}));
        QVERIFY((grouped.v.place.rows == std::vector<RowRange>{{24, 8}, {56, 8}}));
    }
    void sharedNorm() {
        // Both halves read one site, so that its norm can be folded into both.
        const auto b7 = openCase("falcon_7b");
        const BlockSpec& b = b7->spec().blocks[0];
        QCOMPARE(b.mlp.up.site, b.attention.q.site);
        QVERIFY(!b.mlpNorms.before);
        const auto b40 = openCase("falcon_40b");
        QVERIFY(b40->spec().blocks[0].mlp.up.site != b40->spec().blocks[0].attention.q.site);
    }
    void spellings() {
        const auto model = openCase("falcon_40b", json{{"n_embed", 32},
                                                       {"n_head", 4},
                                                       {"n_layer", 2},
                                                       {"n_head_kv", 2},
                                                       {"hidden_size", nullptr},
                                                       {"num_attention_heads", nullptr},
                                                       {"num_hidden_layers", nullptr},
                                                       {"num_kv_heads", nullptr}});
        QCOMPARE(model->spec().kvHeads, size_t(2));
        QCOMPARE(model->spec().blocks.size(), size_t(2));
    }
    void defaults() {
        // As the class: 7B's shape, no biases, exact gelu.
        const auto model = openCase("falcon_7b", json{{"multi_query", nullptr},
                                                      {"parallel_attn", nullptr},
                                                      {"new_decoder_architecture", nullptr},
                                                      {"alibi", nullptr},
                                                      {"bias", nullptr},
                                                      {"activation", nullptr}});
        const BlockSpec& b = model->spec().blocks[0];
        QVERIFY(b.parallel && b.attention.rope == 0 && b.attention.q.bias.empty());
        QVERIFY(b.mlp.activation == Activation::GeluErf);
        const auto alibi = openCase("falcon_rw");
        QVERIFY(alibi->spec().ropes.empty());
        QVERIFY(alibi->spec().blocks[0].attention.alibi.bfloat16);
        QVERIFY(!alibi->spec().blocks[0].parallel);
    }
    void refused() {
        refusedBecause("falcon_7b", {{"ffn_hidden_size", nullptr}},
                       "shape is [68, 32], config.json says [128, 32]");
        refusedBecause("falcon_40b", {{"num_kv_heads", 3}},
                       "'num_attention_heads' 4 is not a multiple of 'num_kv_heads' 3");
        refusedBecause("falcon_40b", {{"new_decoder_architecture", false}}, "input_layernorm");
        refusedBecause("falcon_7b", {{"num_ln_in_parallel_attn", 2}},
                       "'num_ln_in_parallel_attn' 2 needs 'new_decoder_architecture'");
        refusedBecause("falcon_40b", {{"num_ln_in_parallel_attn", 3}},
                       "'num_ln_in_parallel_attn' must be an integer from 1 to 2, got 3");
        refusedBecause("falcon_7b", {{"bias", true}}, "query_key_value.bias");
        refusedBecause("falcon_7b", {{"n_embed", nullptr}, {"hidden_size", nullptr}}, "hidden_size");
    }
};

QS_TEST(Architecture_falcon)
#include "tst_architecture_falcon.moc"
