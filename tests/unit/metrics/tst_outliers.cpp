// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/channel_stats.h"
#include "tests/support/qs_test.h"
#include "tests/unit/metrics/plain_stats.h"

using namespace qs;
using namespace qs::test;

namespace {

ChannelStats statsOfColumns(const Matrix& m) {
    ChannelAccumulator a(m.cols());
    a.add(m.view());
    return a.result();
}

/// 8 columns of +-a: absmax and stddev are a. Sorted 1 1 2 2 | 4 4 16 32, median 3.
Matrix constructed() {
    const float a[] = {2, 1, 32, 4, 2, 16, 1, 4};
    Matrix m(6, 8);
    for (size_t r = 0; r < 6; ++r)
        for (size_t c = 0; c < 8; ++c)
            m(r, c) = r % 2 ? -a[c] : a[c];
    return m;
}

} // namespace

class Outliers : public QObject {
    Q_OBJECT
private slots:
    void medianRatio() {
        const ChannelStats s = statsOfColumns(constructed());
        QVERIFY(near(outlierLimit(s, OutlierRule::MedianRatio, 5), 15.0, 1e-12));
        const auto list = rankOutliers(s, OutlierRule::MedianRatio, 5);
        QCOMPARE(list.size(), size_t(2));
        QCOMPARE(list[0].channel, size_t(2));
        QCOMPARE(list[0].absmax, 32.0f);
        QVERIFY(near(list[0].ratio, 32.0 / 3, 1e-12));
        QVERIFY(near(list[0].score, 32.0 / 15, 1e-12));
        QCOMPARE(list[1].channel, size_t(5));
        QVERIFY(near(maxMedianRatio(s), 32.0 / 3, 1e-12));
        QCOMPARE(rankOutliers(s, OutlierRule::MedianRatio, 6).size(), size_t(1));
    }

    // Variance of the whole: mean of the squares, (4 + 1 + 1024 + 16 + 4 + 256 + 1 + 16) / 8 = 165.25.
    void sigma() {
        const ChannelStats s = statsOfColumns(constructed());
        QVERIFY(near(outlierLimit(s, OutlierRule::Sigma, 2), 2 * std::sqrt(165.25), 1e-7));
        const auto list = rankOutliers(s, OutlierRule::Sigma, 2);
        QCOMPARE(list.size(), size_t(1));
        QCOMPARE(list[0].channel, size_t(2));
        QVERIFY(near(list[0].score, 32 / (2 * std::sqrt(165.25)), 1e-7));
    }

    void sigmaCountsTheChannelsMeans() {
        // Constant columns 0 and 10: stddev 5 though no column varies.
        Matrix m(4, 2);
        for (size_t r = 0; r < 4; ++r)
            m(r, 1) = 10;
        QVERIFY(near(outlierLimit(statsOfColumns(m), OutlierRule::Sigma, 1), 5.0, 1e-7));
    }

    void absoluteLimitIsInclusive() {
        const ChannelStats s = statsOfColumns(constructed());
        const auto list = rankOutliers(s, OutlierRule::LlmInt8, 4);
        QCOMPARE(list.size(), size_t(4));
        QCOMPARE(list[2].channel, size_t(3)); // equal ones by channel
        QCOMPARE(list[3].channel, size_t(7));
        QCOMPARE(list[3].score, 1.0);
    }

    void nothingToCompareWith() {
        Matrix m(2, 5);
        m(0, 3) = 7;
        const ChannelStats s = statsOfColumns(m);
        QCOMPARE(outlierLimit(s, OutlierRule::MedianRatio, 6), 0.0);
        QVERIFY(rankOutliers(s, OutlierRule::MedianRatio, 6).empty());
        QCOMPARE(maxMedianRatio(s), 0.0);
        const auto list = rankOutliers(s, OutlierRule::LlmInt8, 6);
        QCOMPARE(list.size(), size_t(1));
        QCOMPARE(list[0].ratio, 0.0);
        QVERIFY(rankOutliers(ChannelStats{}, OutlierRule::Sigma, 6).empty());
        QCOMPARE(maxMedianRatio(ChannelStats{}), 0.0);
    }

    void idsAndTexts() {
        QCOMPARE(outlierRuleId(OutlierRule::MedianRatio), "median_ratio");
        QCOMPARE(outlierRuleId(OutlierRule::Sigma), "sigma");
        QCOMPARE(outlierRuleId(OutlierRule::LlmInt8), "llm_int8");
        QCOMPARE(outlierRuleText(OutlierRule::MedianRatio, 6), std::string("6 x median"));
        QCOMPARE(outlierRuleText(OutlierRule::Sigma, 3.5), std::string("3.5 x standard deviation"));
        for (const OutlierRule rule : {OutlierRule::MedianRatio, OutlierRule::Sigma, OutlierRule::LlmInt8})
            QCOMPARE(outlierRuleDefault(rule), 6.0);
    }
};

QS_TEST(Outliers)
#include "tst_outliers.moc"
