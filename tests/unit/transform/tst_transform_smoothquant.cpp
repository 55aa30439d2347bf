// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transform/transform_fixture.h"

using namespace qs;
using namespace qs::test;

class Transform_smoothquant : public QObject {
    Q_OBJECT
private slots:
    void factors_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<double>("alpha");
        for (const char* name : {"w3_g16", "w3_tied"})
            for (double alpha : {0.5, 0.8})
                QTest::addRow("%s %.1f", name, alpha) << name << alpha;
    }
    void factors() {
        QFETCH(QString, name);
        QFETCH(double, alpha);
        const auto c = transformCase(name.toStdString(), 3, 16);
        const auto s = choose("smoothquant", *c, {{"alpha", alpha}});
        QS_VERIFY_OK(s);
        const double worst =
            largestRelative(*s, c->expected(QString("smoothquant_%1").arg(alpha).toStdString()));
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
    }
    // 0.5 shares the range evenly: afterwards inputs and weights of a channel reach equally far.
    void sharesTheRange() {
        const auto c = transformCase("w4_row", 4, -1);
        const auto s = choose("smoothquant", *c);
        QS_VERIFY_OK(s);
        for (size_t k = 0; k < s->size(); ++k) {
            float weight = 0;
            for (const Matrix& w : c->weights)
                for (size_t r = 0; r < w.rows(); ++r)
                    weight = std::max(weight, std::fabs(w(r, k)) * (*s)[k]);
            const float input = c->input.absmax[k] / (*s)[k];
            QVERIFY(std::fabs(weight / input - 1) < 1e-4f);
        }
    }
    void deadChannelsDoNotSetTheRange() {
        const auto c = transformCase("w3_g16", 3, 16);
        c->input.absmax[5] = 0;
        for (Matrix& w : c->weights)
            for (size_t r = 0; r < w.rows(); ++r)
                w(r, 9) = 0;
        const auto s = choose("smoothquant", *c);
        QS_VERIFY_OK(s);
        float least = INFINITY;
        for (size_t k = 0; k < s->size(); ++k)
            if (k != 5 && k != 9) least = std::min(least, (*s)[k]);
        QCOMPARE((*s)[5], least);
        QCOMPARE((*s)[9], least);
    }
    void needsStatisticsOfTheChannels() {
        const auto c = transformCase("w3_g16", 3, 16);
        c->input.absmax.pop_back();
        QVERIFY(!choose("smoothquant", *c));
    }
};

QS_TEST(Transform_smoothquant)
#include "tst_transform_smoothquant.moc"
