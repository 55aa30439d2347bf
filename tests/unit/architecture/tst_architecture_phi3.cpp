// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, phi3, [](const std::filesystem::path&) { return goldenCase("phi3"); })

class Architecture_phi3 : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"phi3", "phi3_longrope"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "phi3");
    }
    void partsOfFusedTensors() {
        const auto model = openModel(goldenCase("phi3_longrope")); // 4 heads and 2 key-value heads of 8
        const auto stored = (*model)->checkpoint().readMatrix("model.layers.1.self_attn.qkv_proj.weight");
        QS_VERIFY_OK(stored);
        QCOMPARE(stored->rows(), size_t(64));
        size_t row = 0;
        for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
            const QuantTarget* t = (*model)->findTarget(std::string("layers.1.self_attn.") + name);
            QVERIFY(t);
            QCOMPARE(t->place.tensor, std::string("model.layers.1.self_attn.qkv_proj.weight"));
            const auto own = modelWeights(**model)->matrix(t->weight);
            QS_VERIFY_OK(own);
            QCOMPARE(own->rows(), t->rows);
            for (size_t r = 0; r < t->rows; ++r, ++row)
                QVERIFY(std::equal(own->row(r), own->row(r) + t->cols, stored->row(row)));
        }
        QCOMPARE(row, stored->rows());
    }
    void refused() {
        refusedBecause("phi3", {{"attention_bias", true}}, "attention_bias");
        refusedBecause("phi3_longrope", {{"rope_scaling", {{"short_factor", {1.0, 2.0}}}}}, "short_factor");
        refusedBecause("phi3_longrope", {{"rope_scaling", {{"long_factor", {1.0, 2.0, 0.0}}}}},
                       "long_factor");
        refusedBecause("phi3_longrope", {{"rope_scaling", {{"type", "spiral"}}}}, "spiral");
    }
};

QS_TEST(Architecture_phi3)
#include "tst_architecture_phi3.moc"
