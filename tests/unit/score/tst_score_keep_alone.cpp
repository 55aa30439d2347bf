// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/score.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_keep_alone : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("keep_alone"); }
private slots:
    void cost() {
        SensitivityCell cell;
        QVERIFY(std::isnan(score().cost({}, cell)));
        cell.keptGain = 0.125;
        QCOMPARE(score().cost({}, cell), 0.125);
        QVERIFY(!score().isLoss);
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("keep_alone"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_keep_alone)
#include "tst_score_keep_alone.moc"
