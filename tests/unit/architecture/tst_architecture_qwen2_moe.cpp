// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, qwen2_moe, [](const std::filesystem::path&) { return goldenCase("qwen2_moe"); })

class Architecture_qwen2_moe : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"qwen2_moe"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "qwen2_moe");
    }
    void denseLayersAreDense() {
        const auto model = openModel(goldenCase("qwen2_moe"));
        QVERIFY(!(*model)->spec().blocks[0].mixture);
        QVERIFY((*model)->spec().blocks[1].mixture);
        QVERIFY((*model)->spec().blocks[1].mixture->shared);
        QVERIFY(!(*model)->spec().blocks[1].mixture->renormalize);
    }
    void refused() {
        refusedBecause("qwen2_moe", {{"decoder_sparse_step", 0}}, "decoder_sparse_step");
        refusedBecause("qwen2_moe", {{"mlp_only_layers", {-1}}}, "mlp_only_layers");
        refusedBecause("qwen2_moe", {{"shared_expert_intermediate_size", nullptr}},
                       "shared_expert_intermediate_size");
    }
};

QS_TEST(Architecture_qwen2_moe)
#include "tst_architecture_qwen2_moe.moc"
