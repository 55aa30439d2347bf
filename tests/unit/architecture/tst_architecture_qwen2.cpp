// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, qwen2, [](const std::filesystem::path&) { return goldenCase("qwen2_sliding"); })

class Architecture_qwen2 : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"qwen2", "qwen2_sliding", "qwen2_v5"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "qwen2");
    }
    void slidingLayers() {
        const auto off = openModel(goldenCase("qwen2")), on = openModel(goldenCase("qwen2_sliding"));
        QCOMPARE((*off)->spec().blocks[1].attention.reach,
                 size_t(0)); // sliding_window without use_sliding_window
        QCOMPARE((*on)->spec().blocks[0].attention.reach, size_t(0));
        QCOMPARE((*on)->spec().blocks[1].attention.reach, size_t(6));
    }
    void refused() {
        refusedBecause("qwen2_v5", {{"layer_types", {"full_attention", "chunked_attention"}}}, "layer_types");
        refusedBecause("qwen2_v5", {{"layer_types", {"full_attention"}}}, "layer_types");
        refusedBecause("qwen2", {{"use_sliding_window", "yes"}}, "use_sliding_window");
        refusedBecause("llama", {{"architectures", {"Qwen2ForCausalLM"}}}, "q_proj.bias");
    }
};

QS_TEST(Architecture_qwen2)
#include "tst_architecture_qwen2.moc"
