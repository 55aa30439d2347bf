// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/smooth_factors.h"
#include "tests/unit/transform/joint_error.h"

using namespace qs;
using namespace qs::test;

class Transform_aqas : public QObject {
    Q_OBJECT
private slots:
    void factors_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::newRow("3 bits, groups") << "w3_g16" << 3 << 16;
        QTest::newRow("4 bits, rows") << "w4_row" << 4 << -1;
        QTest::newRow("tied channels") << "w3_tied" << 3 << 16;
    }
    void factors() {
        QFETCH(QString, name);
        QFETCH(int, bits);
        QFETCH(int, group);
        const auto c = transformCase(name.toStdString(), bits, group);
        const auto s = choose("aqas", *c);
        QS_VERIFY_OK(s);
        const double worst = largestRelative(*s, c->expected("aqas"));
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
    }
    /// Of all strengths the chosen one is nearly the best for the tokens themselves, whatever takes more of
    /// the rounding.
    void weighsWeightsAndInputs_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<int>("weightBits");
        QTest::addColumn<int>("inputBits");
        for (const char* name : {"w3_g16", "w4_row", "w3_tied"})
            for (const auto& [w, x] : {std::pair(4, 8), {8, 4}, {4, 4}, {8, 8}})
                QTest::newRow(qPrintable(QString("%1 W%2A%3").arg(name).arg(w).arg(x))) << name << w << x;
    }
    void weighsWeightsAndInputs() {
        QFETCH(QString, name);
        QFETCH(int, weightBits);
        QFETCH(int, inputBits);
        const auto c = transformCase(name.toStdString(), weightBits, -1);
        const auto inputs = roundInputs(*c, inputBits);
        const auto s = choose("aqas", *c);
        QS_VERIFY_OK(s);
        c->input.absmax = pooledMaximum(c->input.absmax, c->input.tie);
        const double plain = jointError(*c, std::vector<float>(s->size(), 1.0f), inputBits);
        double best = plain;
        for (int i = 0; i <= 20; ++i)
            best = std::min(best, jointError(*c, smoothFactors(c->input, i / 20.0), inputBits));
        const double own = jointError(*c, *s, inputBits);
        qInfo("%.4g, best %.4g, unscaled %.4g", own, best, plain);
        QVERIFY(own < 0.8 * plain);
        QVERIFY(own < 1.1 * best);
    }
};

QS_TEST(Transform_aqas)
#include "tst_transform_aqas.moc"
