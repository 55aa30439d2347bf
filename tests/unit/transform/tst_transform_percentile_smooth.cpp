// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transform/transform_fixture.h"

using namespace qs;
using namespace qs::test;

class Transform_percentile_smooth : public QObject {
    Q_OBJECT
private slots:
    void factors_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<double>("percent");
        for (const char* name : {"w3_g16", "w3_tied"})
            for (double percent : {0.5, 10.0})
                QTest::addRow("%s %g", name, percent) << name << percent;
    }
    void factors() {
        QFETCH(QString, name);
        QFETCH(double, percent);
        const auto c = transformCase(name.toStdString(), 3, 16);
        const auto s = choose("percentile_smooth", *c, {{"percent", percent}});
        QS_VERIFY_OK(s);
        const double worst =
            largestRelative(*s, c->expected(QString("percentile_%1").arg(percent).toStdString()));
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
    }
    void byHand() {
        // 48 channels: 4 % is rank floor(1.92 + 1.5) = 3. The largest are 40, 20, 10: they come down to 10.
        const auto c = transformCase("w3_g16", 3, 16);
        c->input.absmax.assign(48, 1.0f);
        c->input.absmax[3] = 20;
        c->input.absmax[17] = 40;
        c->input.absmax[40] = 10;
        const auto s = choose("percentile_smooth", *c, {{"percent", 4}});
        QS_VERIFY_OK(s);
        for (size_t k = 0; k < 48; ++k)
            QCOMPARE((*s)[k], k == 3 ? 2.0f : k == 17 ? 4.0f : 1.0f);
    }
    void deadInputs() {
        const auto c = transformCase("w3_g16", 3, 16);
        c->input.absmax.assign(48, 0.0f);
        c->input.absmax[7] = 5;
        const auto s = choose("percentile_smooth", *c, {{"percent", 20}});
        QS_VERIFY_OK(s);
        QVERIFY(*s == std::vector<float>(48, 1.0f));
    }
};

QS_TEST(Transform_percentile_smooth)
#include "tst_transform_percentile_smooth.moc"
