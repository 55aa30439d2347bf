// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/cell_quantizer.h"
#include "core/allocate/score.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_entropy : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("entropy"); }
private slots:
    void cost() {
        SensitivityCell cell;
        QVERIFY(std::isnan(score().cost({}, cell)));
        cell.entropyLoss = 0.25;
        QCOMPARE(score().cost({}, cell), 0.25);
        QVERIFY(!score().isLoss);
    }
    /// Four values alike often: 2 bits. Two of them become one: 1/4, 1/4, 1/2 hold 1.5 bits.
    void entropyByHand() {
        Matrix w(2, 2), q(2, 2);
        const float values[] = {-1, 0, 1, 2}, rounded[] = {-1, 0, 2, 2};
        std::copy_n(values, 4, w.data());
        std::copy_n(rounded, 4, q.data());
        QVERIFY(std::fabs(binnedEntropy(w.view(), w.view()) - 2) < 1e-12);
        QVERIFY(std::fabs(binnedEntropy(q.view(), w.view()) - 1.5) < 1e-12);
        q.data()[0] = -5; // outside the range: the outermost bin
        QVERIFY(std::fabs(binnedEntropy(q.view(), w.view()) - 1.5) < 1e-12);
        const Matrix zero(2, 2);
        QCOMPARE(binnedEntropy(zero.view(), zero.view()), 0.0);
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("entropy"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_entropy)
#include "tst_score_entropy.moc"
