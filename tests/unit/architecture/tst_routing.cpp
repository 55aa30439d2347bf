// SPDX-License-Identifier: Apache-2.0
#include "core/model/routing.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Routing : public QObject {
    Q_OBJECT
private slots:
    void byHand() {
        // exp: 1 2 4 (sum 7); 4 4 1 (sum 9): of equal scores the first is taken first.
        Matrix scores(2, 3);
        for (size_t i = 0; i < 6; ++i)
            scores.data()[i] = std::log(std::array{1.0f, 2.0f, 4.0f, 4.0f, 4.0f, 1.0f}[i]);
        auto sent = routeTokens(scores.view(), 2, false);
        QCOMPARE(sent[0].tokens, std::vector<uint32_t>{1});
        QCOMPARE(sent[1].tokens, (std::vector<uint32_t>{0, 1}));
        QCOMPARE(sent[2].tokens, std::vector<uint32_t>{0});
        const auto near = [](float a, double b) { return std::fabs(double(a) - b) <= 1e-6; };
        QVERIFY(near(sent[1].weights[0], 2.0 / 7) && near(sent[2].weights[0], 4.0 / 7));
        QVERIFY(near(sent[0].weights[0], 4.0 / 9) && near(sent[1].weights[1], 4.0 / 9));
        sent = routeTokens(scores.view(), 2, true);
        QVERIFY(near(sent[1].weights[0], 2.0 / 6) && near(sent[2].weights[0], 4.0 / 6));
        sent = routeTokens(scores.view(), 1, true);
        QCOMPARE(sent[0].tokens, std::vector<uint32_t>{1});
        QVERIFY(near(sent[0].weights[0], 1) && sent[1].tokens.empty());
    }
    void largeScoresStayFinite() {
        Matrix scores(1, 2);
        scores(0, 0) = 3e38f;
        scores(0, 1) = -3e38f;
        const auto sent = routeTokens(scores.view(), 2, false);
        QCOMPARE(sent[0].weights[0], 1.0f);
        QCOMPARE(sent[1].weights[0], 0.0f);
    }
};

QS_TEST(Routing)
#include "tst_routing.moc"
