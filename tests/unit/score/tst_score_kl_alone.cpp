// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/score.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_kl_alone : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("kl_alone"); }
private slots:
    void cost() {
        SensitivityRow row;
        SensitivityCell cell;
        QVERIFY(std::isnan(score().cost(row, cell)));
        cell.kl = 0.0125;
        QCOMPARE(score().cost(row, cell), 0.0125);
        QVERIFY(score().isLoss);
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("kl_alone"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_kl_alone)
#include "tst_score_kl_alone.moc"
