// SPDX-License-Identifier: Apache-2.0
// The highest of many scores, against sorting all of them.
#include "core/quant/outlier/kept_mask.h"
#include "tests/support/qs_test.h"

#include <algorithm>
#include <numeric>
#include <random>

using namespace qs;

class KeptMaskTest : public QObject {
    Q_OBJECT
private slots:
    // Of equal scores the first ones, row by row; negative scores and zeros of both signs among them.
    void highest_data() {
        QTest::addColumn<int>("kind");
        QTest::newRow("normal") << 0;
        QTest::newRow("many equal ones") << 1;
        QTest::newRow("negative") << 2;
        QTest::newRow("zeros of both signs") << 3;
        QTest::newRow("close to each other") << 4;
    }
    void highest() {
        QFETCH(int, kind);
        std::mt19937_64 rng(11);
        std::normal_distribution<float> normal;
        Matrix scores(37, 53);
        for (float& s : scores.span()) {
            const float x = normal(rng);
            s = kind == 1   ? std::round(2 * x)
                : kind == 2 ? -std::fabs(x)
                : kind == 3 ? (x > 1   ? x
                               : x > 0 ? 0.0f
                                       : -0.0f)
                : kind == 4 ? 1 + 1e-5f * x
                            : x;
        }
        std::vector<size_t> order(scores.size());
        std::iota(order.begin(), order.end(), size_t(0));
        std::stable_sort(order.begin(), order.end(),
                         [&](size_t a, size_t b) { return scores.data()[a] > scores.data()[b]; });
        for (const size_t count : {size_t(0), size_t(1), size_t(2), size_t(100), size_t(1000),
                                   scores.size() - 1, scores.size(), scores.size() + 5}) {
            const KeptMask mask = KeptMask::highest(scores.view(), count);
            std::vector<bool> expected(scores.size());
            for (size_t i = 0; i < std::min(count, order.size()); ++i)
                expected[order[i]] = true;
            for (size_t i = 0; i < scores.size(); ++i)
                QCOMPARE(bool(mask.at(i / 53, i % 53)), bool(expected[i]));
        }
    }
};

QS_TEST(KeptMaskTest)
#include "tst_kept_mask.moc"
