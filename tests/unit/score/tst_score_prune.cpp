// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/score.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_prune : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("prune"); }
private slots:
    void cost() {
        SensitivityRow row;
        SensitivityCell cell;
        cell.weightError = 0.01;
        QVERIFY(std::isnan(score().cost(row, cell)));
        row.pruneKl = 0.3;
        row.pruneError = 0.06;
        QVERIFY(std::fabs(score().cost(row, cell) - 0.05) < 1e-15);
        row.pruneError = 0; // half of the weights were 0 already
        row.pruneKl = 0;
        QCOMPARE(score().cost(row, cell), 0.0);
        QVERIFY(!score().isLoss);
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("prune"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_prune)
#include "tst_score_prune.moc"
