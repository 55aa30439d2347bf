// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/score.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_salience : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("salience"); }
private slots:
    void cost() {
        SensitivityCell cell;
        QVERIFY(std::isnan(score().cost({}, cell)));
        cell.salienceError = 0.02;
        QCOMPARE(score().cost({}, cell), 0.02);
        QVERIFY(!score().isLoss);
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("salience"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_salience)
#include "tst_score_salience.moc"
