// SPDX-License-Identifier: Apache-2.0
#include "core/model/generate.h"
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
    void doesNotContinueText() {
        const auto model = openModel(goldenCase("bert"));
        const auto backend = makeCpuBackend();
        const auto made = generate((*model)->spec(), *modelWeights(**model), {5, 6}, {}, *backend, {});
        QVERIFY(!made);
        QCOMPARE(int(made.error().code), int(ErrorCode::Unsupported));
    }
    // Without the head of masked tokens it opens, and says what it cannot do.
    void encoderAlone() {
        const auto model = openModel(goldenCase("bert"));
        ModelSpec spec = (*model)->spec();
        spec.head.weight.clear();
        const auto backend = makeCpuBackend();
        const std::vector<int32_t> ids = {5, 6};
        const auto logits = computeLogits(spec, *modelWeights(**model), ids, *backend, {});
        QVERIFY(!logits);
        QVERIFY2(logits.error().message.find("no output head") != std::string::npos,
                 logits.error().message.c_str());
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
