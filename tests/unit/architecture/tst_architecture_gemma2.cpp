// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, gemma2, [](const std::filesystem::path&) { return goldenCase("gemma2"); })

class Architecture_gemma2 : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gemma2"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "gemma2");
    }
    void caps() {
        const auto model = openModel(patchedCase("gemma2", {{"attn_logit_softcapping", 7.0}}));
        QVERIFY((*model)->hasForward());
        QCOMPARE((*model)->spec().blocks[0].attention.softCap, 7.0);
        QCOMPARE((*model)->spec().head.softCap, 8.0);
        refusedBecause("gemma2", {{"attn_logit_softcapping", -1}}, "attn_logit_softcapping");
        refusedBecause("gemma2", {{"final_logit_softcapping", -1}}, "final_logit_softcapping");
        refusedBecause("gemma2", {{"query_pre_attn_scalar", 0}}, "query_pre_attn_scalar");
    }
};

QS_TEST(Architecture_gemma2)
#include "tst_architecture_gemma2.moc"
