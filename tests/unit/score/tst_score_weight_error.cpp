// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/score.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_weight_error : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("weight_error"); }
private slots:
    void cost() {
        SensitivityRow row;
        SensitivityCell cell;
        QVERIFY(std::isnan(score().cost(row, cell)));
        cell.weightError = 0.5;
        QCOMPARE(score().cost(row, cell), 0.5);
        QVERIFY(!score().isLoss);
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("weight_error"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_weight_error)
#include "tst_score_weight_error.moc"
