// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transform/joint_error.h"

using namespace qs;
using namespace qs::test;

class Transform_outlier_suppression_plus : public QObject {
    Q_OBJECT
    static constexpr const char* kId = "outlier_suppression_plus";
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
        const auto s = choose(kId, *c);
        QS_VERIFY_OK(s);
        const double worst = largestRelative(*s, c->expected(kId));
        QVERIFY2(worst <= 1e-5, qPrintable(QString::number(worst)));
    }
    /// With rounded inputs: by the tokens themselves the choice is nearly the best of all thresholds.
    void weighsInputsToo_data() { factors_data(); }
    void weighsInputsToo() {
        QFETCH(QString, name);
        QFETCH(int, bits);
        QFETCH(int, group);
        const auto c = transformCase(name.toStdString(), bits, group);
        const auto inputs = roundInputs(*c, 4);
        const auto s = choose(kId, *c);
        QS_VERIFY_OK(s);
        const std::vector<float> top = pooledMaximum(c->input.absmax, c->input.tie);
        const float most = *std::max_element(top.begin(), top.end());
        std::vector<float> sorted = top;
        std::sort(sorted.begin(), sorted.end());
        const float middle = sorted[sorted.size() / 2];
        const double plain = jointError(*c, std::vector<float>(top.size(), 1.0f), 4);
        double best = plain;
        for (int i = 1; i <= 40; ++i) {
            std::vector<float> tried;
            for (const float v : top)
                tried.push_back(std::max(1.0f, v / (most * std::pow(middle / most, float(i) / 40))));
            best = std::min(best, jointError(*c, tried, 4));
        }
        const double own = jointError(*c, *s, 4);
        qInfo("%.4g, best %.4g, unscaled %.4g", own, best, plain);
        QVERIFY(own < 0.7 * plain);
        QVERIFY(own < 1.1 * best);
    }
    /// Only what reaches beyond the threshold is scaled, down to it.
    void channelsEndAtTheThreshold() {
        const auto c = transformCase("w4_row", 4, -1);
        const auto inputs = roundInputs(*c, 4);
        const auto s = choose(kId, *c);
        QS_VERIFY_OK(s);
        float threshold = 0;
        for (size_t k = 0; k < s->size(); ++k)
            if ((*s)[k] > 1) threshold = c->input.absmax[k] / (*s)[k];
        QVERIFY(threshold > 0);
        for (size_t k = 0; k < s->size(); ++k) {
            const float reach = c->input.absmax[k] / (*s)[k];
            QVERIFY((*s)[k] > 1 ? std::fabs(reach / threshold - 1) < 1e-5f
                                : (*s)[k] == 1 && reach <= threshold * (1 + 1e-5f));
        }
    }
    void silentChannels() {
        const auto c = transformCase("w3_g16", 3, 16);
        for (size_t k = 0; k < 30; ++k)
            c->input.absmax[k] = 0; // more than half: there is no median to go down to
        const auto s = choose(kId, *c);
        QS_VERIFY_OK(s);
        QVERIFY(*s == std::vector<float>(s->size(), 1.0f));
    }
};

QS_TEST(Transform_outlier_suppression_plus)
#include "tst_transform_outlier_suppression_plus.moc"
