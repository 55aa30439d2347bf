// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, qwen3_moe, [](const std::filesystem::path&) { return goldenCase("qwen3_moe"); })

class Architecture_qwen3_moe : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"qwen3_moe"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "qwen3_moe");
    }
    void denseLayersAreDense() {
        const auto model = openModel(goldenCase("qwen3_moe"));
        QVERIFY(!(*model)->spec().blocks[0].mixture); // decoder_sparse_step 2
        QVERIFY((*model)->spec().blocks[1].mixture);
        QVERIFY(!(*model)->spec().blocks[1].mixture->shared);
    }
    void refused() {
        refusedBecause("qwen3_moe", {{"moe_intermediate_size", 13}}, "experts.0.gate_proj.weight");
    }
};

QS_TEST(Architecture_qwen3_moe)
#include "tst_architecture_qwen3_moe.moc"
