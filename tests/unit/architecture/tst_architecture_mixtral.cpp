// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

QS_SAMPLE(architecture, mixtral, [](const std::filesystem::path&) { return goldenCase("mixtral"); })

class Architecture_mixtral : public QObject {
    Q_OBJECT
private slots:
    void golden_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"mixtral"})
            QTest::newRow(name) << name;
    }
    void golden() {
        QFETCH(QString, name);
        compareWithGolden(name.toStdString(), "mixtral");
    }
    void everyExpertHasItsOwnSites() {
        const auto model = openModel(goldenCase("mixtral"));
        const QuantTarget* t = (*model)->findTarget("layers.1.block_sparse_moe.experts.3.w2");
        QVERIFY(t);
        QCOMPARE(t->site, std::string("layers.1.block_sparse_moe.experts.3.down"));
        QCOMPARE((*model)->targets().size(), size_t(2 * (4 + 4 * 3))); // the router is kept
    }
    void refused() {
        refusedBecause("mixtral", {{"num_local_experts", 5}}, "gate.weight");
        refusedBecause("mixtral", {{"num_experts_per_tok", 5}}, "num_experts_per_tok");
    }
};

QS_TEST(Architecture_mixtral)
#include "tst_architecture_mixtral.moc"
