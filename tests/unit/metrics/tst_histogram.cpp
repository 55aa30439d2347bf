// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/channel_stats.h"
#include "tests/support/qs_test.h"
#include "tests/unit/metrics/plain_stats.h"

#include <limits>

using namespace qs;
using namespace qs::test;
using Counts = std::vector<uint64_t>;

class Histograms : public QObject {
    Q_OBJECT
private slots:
    void countsByHand() {
        const std::vector<float> values = {0, 0.5f, 1, 1.5f, 2, 3, 3.999f, 4};
        const Histogram h = histogram(values, 0, 4, 4);
        QCOMPARE(h.counts, (Counts{2, 2, 1, 3}));
        QCOMPARE(h.below + h.above + h.notFinite, uint64_t(0));
        QCOMPARE(h.lo, 0.0);
        QCOMPARE(h.hi, 4.0);
    }

    void outsideAndNotFinite() {
        const std::vector<float> values = {-1.001f,
                                           -1,
                                           1,
                                           1.001f,
                                           9,
                                           std::numeric_limits<float>::quiet_NaN(),
                                           std::numeric_limits<float>::infinity(),
                                           -std::numeric_limits<float>::infinity()};
        const Histogram h = histogram(values, -1, 1, 2);
        QCOMPARE(h.counts, (Counts{1, 1}));
        QCOMPARE(h.below, uint64_t(1));
        QCOMPARE(h.above, uint64_t(2));
        QCOMPARE(h.notFinite, uint64_t(3));
    }

    // Bins are defined by their edges, also where (x - lo) / width rounds to the other side.
    void edgesDecide() {
        constexpr size_t bins = 49;
        const double lo = -0.3, hi = 0.7, width = (hi - lo) / double(bins);
        std::vector<float> values = heavyTailed(20000, 3);
        for (float& v : values)
            v *= 0.2f;
        for (size_t i = 0; i <= bins; ++i) {
            const float e = float(lo + double(i) * width);
            values.insert(values.end(), {e, std::nextafter(e, -1.0f), std::nextafter(e, 1.0f)});
        }
        Counts expected(bins);
        uint64_t inside = 0;
        for (const float v : values) {
            if (v < lo || v > hi) continue;
            ++inside;
            size_t bin = 0;
            while (bin + 1 < bins && double(v) >= lo + double(bin + 1) * width)
                ++bin;
            ++expected[bin];
        }
        const Histogram h = histogram(values, lo, hi, bins);
        QCOMPARE(h.counts, expected);
        QCOMPARE(inside + h.below + h.above, uint64_t(values.size()));
    }

    void rangeOfOneValue() {
        const std::vector<float> values = {2, 2, 1, 3, 2};
        const Histogram h = histogram(values, 2, 2, 3);
        QCOMPARE(h.counts, (Counts{3, 0, 0}));
        QCOMPARE(h.below, uint64_t(1));
        QCOMPARE(h.above, uint64_t(1));
    }

    void widestRange() {
        const float big = std::numeric_limits<float>::max();
        const std::vector<float> values = {-big, -1, 0, 1, big};
        QCOMPARE(histogram(values, -double(big), big, 2).counts, (Counts{2, 3}));
    }
};

QS_TEST(Histograms)
#include "tst_histogram.moc"
