// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/block_cca.h"
#include "core/allocate/score.h"
#include "core/base/gaussian.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;

class Score_cca : public QObject {
    Q_OBJECT
    static const ScoreDescriptor& score() { return **findScore("cca"); }
private slots:
    void cost() {
        SensitivityRow row;
        SensitivityCell cell;
        cell.weightError = 0.1;
        QVERIFY(std::isnan(score().cost(row, cell)));
        row.blockCca = 0.75;
        QCOMPARE(score().cost(row, cell), 0.025);
        QVERIFY(!score().isLoss);
    }
    void correlation() {
        Matrix x(4000, 3), turned(4000, 3), other(4000, 3), half(4000, 3);
        std::mt19937_64 random(5);
        for (size_t r = 0; r < x.rows(); ++r) {
            for (size_t c = 0; c < 3; ++c) {
                x(r, c) = float(gaussian(random)) + 4; // means do not count
                other(r, c) = float(gaussian(random));
            }
            for (size_t c = 0; c < 3; ++c) {
                turned(r, c) = x(r, (c + 1) % 3) - 2 * x(r, c);
                // Correlation sqrt(1/2) in one direction, 0 in the others.
                half(r, c) = c == 0 ? x(r, 1) + other(r, 0) : other(r, c);
            }
        }
        QVERIFY(std::fabs(*meanSquaredCca(x.view(), x.view()) - 1) < 0.03);
        QVERIFY(std::fabs(*meanSquaredCca(x.view(), turned.view()) - 1) < 0.06);
        QVERIFY(*meanSquaredCca(x.view(), other.view()) < 0.01);
        QVERIFY(std::fabs(*meanSquaredCca(x.view(), half.view()) - 0.5 / 3) < 0.02);
        const Matrix zero(4000, 3);
        QCOMPARE(*meanSquaredCca(x.view(), zero.view()), 0.0);
        QVERIFY(!meanSquaredCca(x.view(), Matrix(10, 3).view()));
    }
    void described() {
        const ScoreDescriptor& d = score();
        QCOMPARE(d.id, std::string("cca"));
        QVERIFY(!d.label.empty() && !d.summary.empty() && !d.citation.empty() && !d.validity.empty() &&
                !d.needs.empty());
    }
};

QS_TEST(Score_cca)
#include "tst_score_cca.moc"
