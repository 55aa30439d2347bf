// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, bert, [](const std::filesystem::path&) { return goldenCase("bert"); })

class Architecture_bert : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"bert", "bert_legacy"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "bert");
    }
    void isAnEncoder() {
        const auto model = openModel(goldenCase("bert"));
        QVERIFY(!(*model)->spec().causal);
        QCOMPARE((*model)->spec().maskToken, -1); // no tokenizer beside it
        refusedBecause("bert", {{"is_decoder", true}}, "is_decoder");
        refusedBecause("bert", {{"position_embedding_type", "relative_key"}}, "position_embedding_type");
    }
    void windowsLongerThanThePositions() {
        const auto model = openModel(goldenCase("bert"));
        const auto backend = makeCpuBackend();
        const std::vector<int32_t> ids(41, 5);
        const auto logits = computeLogits((*model)->spec(), *modelWeights(**model), ids, *backend, {});
        QVERIFY(!logits);
        QVERIFY2(logits.error().message.find("40 learned positions") != std::string::npos,
                 logits.error().message.c_str());
    }
};

QS_TEST(Architecture_bert)
#include "tst_architecture_bert.moc"
