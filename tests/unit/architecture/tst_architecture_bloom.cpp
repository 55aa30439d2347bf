// SPDX-License-Identifier: Apache-2.0
#include "core/model/gpt_parts.h"
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;
using nlohmann::json;

QS_SAMPLE(architecture, bloom, [](const std::filesystem::path&) { return goldenCase("bloom"); })

class Architecture_bloom : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"bloom", "bloom_post_norm"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "bloom");
    }
    void slopes() {
        // 2^(-8 i / n) for 8 heads; 12 heads take those and 2^-0.5, 2^-1.5, 2^-2.5, 2^-3.5 of 16.
        const auto eight = alibiSlopes(8), twelve = alibiSlopes(12), one = alibiSlopes(1);
        QCOMPARE(eight.size(), size_t(8));
        QCOMPARE(twelve.size(), size_t(12));
        QCOMPARE(one, (std::vector<float>{1.0f / 256}));
        for (int i = 0; i < 8; ++i) {
            QCOMPARE(eight[size_t(i)], std::ldexp(1.0f, -i - 1));
            QCOMPARE(twelve[size_t(i)], eight[size_t(i)]);
        }
        for (int i = 0; i < 4; ++i)
            QVERIFY(std::fabs(double(twelve[size_t(8 + i)]) - std::pow(2.0, -0.5 - i)) <= 1e-7);
    }
    void spellings() {
        const json other = {{"n_embed", 24},     {"num_attention_heads", 3}, {"num_hidden_layers", 2},
                            {"n_head", nullptr}, {"n_layer", nullptr},       {"hidden_size", nullptr}};
        const auto model = openCase("bloom", other);
        QCOMPARE(model->spec().blocks.size(), size_t(2));
        QCOMPARE(model->spec().heads, size_t(3));
        QVERIFY(model->spec().head.tied);
        QVERIFY(model->spec().ropes.empty());
        QVERIFY(model->spec().embedding.positions.empty());
        QCOMPARE(model->spec().blocks[0].attention.alibi.slopes.size(), size_t(3));
    }
    void residualOfTheNorm() {
        const auto model = openCase("bloom_post_norm");
        QVERIFY(model->spec().blocks[0].residualFromNorm);
        // The norms have a reader that is no linear: nothing may be folded into them.
        for (const FoldSpec& f : model->spec().blocks[0].folds)
            QVERIFY(f.producer == FoldSpec::Producer::Rows);
        const auto usual = openCase("bloom", json{{"apply_residual_connection_post_layernorm", nullptr}});
        QVERIFY(!usual->spec().blocks[0].residualFromNorm);
    }
    void refused() {
        refusedBecause("bloom", {{"hidden_size", nullptr}}, "hidden_size");
        refusedBecause("bloom", {{"n_head", 5}}, "'hidden_size' 24 is not a multiple of 'n_head' 5");
        refusedBecause("bloom", {{"n_layer", 3}}, "h.2.");
        refusedBecause("bloom", {{"vocab_size", 71}}, "shape is [70, 24], config.json says [71, 24]");
    }
};

QS_TEST(Architecture_bloom)
#include "tst_architecture_bloom.moc"
