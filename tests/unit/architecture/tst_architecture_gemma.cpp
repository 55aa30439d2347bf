// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, gemma, [](const std::filesystem::path&) { return goldenCase("gemma"); })

class Architecture_gemma : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gemma", "gemma_legacy"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "gemma");
    }
    // The reference keeps sqrt(hidden) in the type of the model: sqrt(24) = 4.899 is 4.90625 in bfloat16.
    void multiplierIsRounded() {
        const auto plain = openModel(goldenCase("gemma")),
                   rounded = openModel(patchedCase("gemma", {{"torch_dtype", "bfloat16"}}));
        QVERIFY(std::fabs((*plain)->spec().embedding.multiplier - std::sqrt(24.0)) <= 1e-6);
        QCOMPARE((*rounded)->spec().embedding.multiplier, 4.90625);
    }
};

QS_TEST(Architecture_gemma)
#include "tst_architecture_gemma.moc"
