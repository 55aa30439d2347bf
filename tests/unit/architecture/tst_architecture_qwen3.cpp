// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, qwen3, [](const std::filesystem::path&) { return goldenCase("qwen3"); })

class Architecture_qwen3 : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"qwen3"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "qwen3");
    }
    void refused() {
        refusedBecause("qwen3", {{"head_dim", 16}}, "q_proj.weight");
        refusedBecause("qwen3", {{"attention_bias", true}}, "q_proj.bias");
        refusedBecause("llama", {{"architectures", {"Qwen3ForCausalLM"}}}, "q_norm.weight");
    }
};

QS_TEST(Architecture_qwen3)
#include "tst_architecture_qwen3.moc"
