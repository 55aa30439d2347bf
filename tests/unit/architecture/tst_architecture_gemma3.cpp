// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, gemma3, [](const std::filesystem::path&) { return goldenCase("gemma3"); })

class Architecture_gemma3 : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gemma3", "gemma3_v5", "gemma3_nested"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "gemma3");
    }
    void nestedFieldsAreNamed() {
        refusedBecause("gemma3_nested", {{"text_config", {{"hidden_size", 33}}}}, "[65, 32]");
        refusedBecause("gemma3_nested", {{"text_config", {{"hidden_size", -1}}}}, "text_config");
        refusedBecause("gemma3", {{"use_bidirectional_attention", true}}, "use_bidirectional_attention");
        refusedBecause("gemma3", {{"rope_local_base_freq", 0}}, "rope_local_base_freq");
    }
    void twoRotations() {
        const auto model = openModel(goldenCase("gemma3_nested"));
        const ModelSpec& s = (*model)->spec();
        QCOMPARE(s.ropes.size(), size_t(2));
        QCOMPARE(s.ropes[size_t(s.blocks[2].attention.rope)].theta, 1e6);
        QCOMPARE(s.ropes[size_t(s.blocks[2].attention.rope)].factor, 8.0);
        QCOMPARE(s.ropes[size_t(s.blocks[0].attention.rope)].theta, 1e4);
        QCOMPARE(s.blocks[0].attention.reach, size_t(5));
        QCOMPARE(s.blocks[2].attention.reach, size_t(0));
    }
};

QS_TEST(Architecture_gemma3)
#include "tst_architecture_gemma3.moc"
