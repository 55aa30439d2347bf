// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/score.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_linearity : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("linearity"); }
private slots:
    void cost() {
        // alpha 3 times t^2 = 0.04
        SensitivityRow row;
        SensitivityCell cell;
        row.alpha = 3;
        cell.weightError = 0.04;
        QCOMPARE(score().cost(row, cell), 0.12);
        row.alpha = NAN;
        QVERIFY(std::isnan(score().cost(row, cell)));
        QVERIFY(score().isLoss);
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("linearity"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_linearity)
#include "tst_score_linearity.moc"
