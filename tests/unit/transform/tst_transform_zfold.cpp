// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transform/transform_fixture.h"

using namespace qs;
using namespace qs::test;

class Transform_zfold : public QObject {
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
        for (TransformReader& r : c->input.readers)
            r.range = RangeRule::Mse;
        const auto s = choose("zfold", *c);
        QS_VERIFY_OK(s);
        const double worst = largestRelative(*s, c->expected("zfold"));
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
    }
    /// Weights whose columns are even integers times factors: the factors are found, and nothing is lost.
    void findsFactorsOfColumns() {
        const auto c = transformCase("w3_g16", 3, 16);
        std::mt19937_64 rng(4);
        for (Matrix& w : c->weights)
            for (size_t r = 0; r < w.rows(); ++r)
                for (size_t k = 0; k < w.cols(); ++k)
                    w(r, k) = float(k % 16 < 2 ? (k % 16 ? 3 : -4) : int(rng() % 8) - 4) *
                              (k % 16 < 2 ? 1.0f : 1 + 0.1f * std::sin(float(k)));
        const auto s = choose("zfold", *c);
        QS_VERIFY_OK(s);
        const double scaled = outputError(*c, *s),
                     plain = outputError(*c, std::vector<float>(s->size(), 1.0f));
        QVERIFY2(scaled < 1e-3 * plain, qPrintable(QString("%1 of %2").arg(scaled).arg(plain)));
        for (size_t k = 0; k < s->size(); ++k) { // beside a factor that the scales of a group take up
            const float product = (*s)[k] * (k % 16 < 2 ? 1.0f : 1 + 0.1f * std::sin(float(k)));
            QVERIFY(std::fabs(product / (*s)[k - k % 16] - 1) < 0.01f);
        }
    }
    void neverWorseThanNearest() {
        for (const char* name : {"w3_g16", "w4_row", "w3_tied"})
            for (const int bits : {2, 3, 4, 8}) {
                const auto c = transformCase(name, bits, 16);
                const auto s = choose("zfold", *c);
                QS_VERIFY_OK(s);
                QVERIFY(outputError(*c, *s) <=
                        outputError(*c, std::vector<float>(s->size(), 1.0f)) * (1 + 1e-6));
            }
    }
    void readersWithoutTokensHaveNoSay() {
        const auto c = transformCase("w3_g16", 3, 16);
        for (TransformReader& r : c->input.readers)
            r.sigma = nullptr;
        const auto s = choose("zfold", *c);
        QS_VERIFY_OK(s);
        QVERIFY(*s == std::vector<float>(s->size(), 1.0f));
    }
};

QS_TEST(Transform_zfold)
#include "tst_transform_zfold.moc"
