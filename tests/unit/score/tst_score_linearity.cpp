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
    /// Of every score: what it needs is asked for, and what reads weights alone needs no text.
    void whatScoresNeed() {
        for (const ScoreDescriptor* s : scores()) {
            SensitivityRequest request = requestFor(*s);
            size_t asked = 0;
            for (const auto& [name, wanted] : namedMeasures(request))
                asked += *wanted;
            QCOMPARE(asked, size_t(s->id != "weight_error" && s->id != "output_error"));
            const bool weightsAlone = asked == 0 || s->id == "entropy" || s->id == "salience";
            QCOMPARE(request.runs(), !weightsAlone);
        }
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
