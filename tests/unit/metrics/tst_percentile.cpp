// SPDX-License-Identifier: Apache-2.0
// The percentile search and the statistics built on it against a plain sort, and their independence of
// threads.
#include "core/linalg/blas.h"
#include "core/metrics/channel_stats.h"
#include "core/metrics/selection.h"
#include "tests/support/qs_test.h"
#include "tests/unit/metrics/plain_stats.h"

#include <bit>
#include <cstring>
#include <limits>

using namespace qs;
using namespace qs::test;

namespace {

/// By the definition in percentile.h; exact.
PercentileValues sorted(std::vector<float> values) {
    std::erase_if(values, [](float v) { return !std::isfinite(v); });
    for (float& v : values)
        v = std::fabs(v);
    std::sort(values.begin(), values.end());
    PercentileValues out{};
    for (size_t i = 0; i < kPercentiles.size() && !values.empty(); ++i) {
        const double h = double(values.size() - 1) * kPercentiles[i];
        const size_t low = size_t(h), high = std::min(low + 1, values.size() - 1);
        out[i] =
            float(double(values[low]) + (h - double(low)) * (double(values[high]) - double(values[low])));
    }
    return out;
}

std::vector<uint32_t> patterns(const std::vector<float>& values) {
    std::vector<uint32_t> out(values.size());
    magnitudes(values, out.data());
    return out;
}

size_t finiteIn(const std::vector<float>& values) {
    return size_t(std::count_if(values.begin(), values.end(), [](float v) { return std::isfinite(v); }));
}

/// Distributions that are hard for a search: gaps, ties, extremes, values that are not finite.
std::vector<float> distribution(int kind, size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> gauss;
    std::vector<float> values(n);
    for (size_t i = 0; i < n; ++i) {
        const float g = gauss(random);
        switch (kind) {
        case 0:
            values[i] = g * 0.02f;
            break;
        case 1:
            values[i] = 0.75f;
            break; // constant
        case 2:
            values[i] = i % 2 ? 0.0f : g;
            break; // half zeros
        case 3:
            values[i] = i < n / 2 ? -1.0f : 2.0f;
            break; // a gap at the median
        case 4:
            values[i] = std::bit_cast<float>(uint32_t(random()));
            break; // every pattern, also NaN
        case 5:
            values[i] = g * std::ldexp(1.0f, int(random() % 200) - 100);
            break;
        case 6:
            values[i] = std::numeric_limits<float>::denorm_min() * float(random() % 5);
            break;
        case 7:
            values[i] = std::numeric_limits<float>::max() * (i % 3 ? 1.0f : -0.5f);
            break;
        case 8:
            values[i] = float(random() % 7);
            break; // many ties
        case 9:
            values[i] = i % 10 ? std::numeric_limits<float>::infinity() : g;
            break;
        case 10:
            values[i] = std::numeric_limits<float>::quiet_NaN();
            break;
        case 11:
            values[i] = std::bit_cast<float>(0x3f800000u + uint32_t(i % 3));
            break; // neighbours
        case 12:
            values[i] = i + 2 < n ? 1.0f : 1e30f;
            break; // two far outliers
        }
    }
    std::shuffle(values.begin(), values.end(), random);
    return values;
}
constexpr int kKinds = 13;

bool sameBits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

} // namespace

class Percentiles : public QObject {
    Q_OBJECT
private slots:
    void agreesWithTheSort_data() {
        QTest::addColumn<int>("kind");
        for (int k = 0; k < kKinds; ++k)
            QTest::addRow("%d", k) << k;
    }
    // One selector for all sizes, so that its guesses are often wrong.
    void agreesWithTheSort() {
        QFETCH(int, kind);
        PercentileSelector selector;
        for (const size_t n :
             {1, 2, 3, 7, 8, 9, 31, 47, 48, 49, 50, 64, 100, 513, 1000, 1001, 4096, 5003, 40000})
            for (unsigned seed = 0; seed < 3; ++seed) {
                const std::vector<float> values = distribution(kind, n, seed);
                const PercentileValues found = selector.select(patterns(values), finiteIn(values));
                QVERIFY2(found == sorted(values), (std::to_string(n) + " values").c_str());
            }
    }
    void guessesDoNotMatter() {
        PercentileSelector used;
        std::mt19937 random(1);
        for (int i = 0; i < 300; ++i) {
            const std::vector<float> values =
                distribution(int(random() % kKinds), 200 + random() % 2000, random());
            PercentileSelector fresh;
            const auto p = patterns(values);
            const PercentileValues expected = sorted(values);
            QVERIFY(used.select(p, finiteIn(values)) == expected);
            QVERIFY(fresh.select(p, finiteIn(values)) == expected);
        }
        QVERIFY(used.select({}, 0) == PercentileValues{});
    }
    void kernels() {
        std::mt19937 random(2);
        for (size_t n = 0; n < 70; ++n) {
            std::vector<uint32_t> values(n);
            for (uint32_t& v : values)
                v = random() % 50 + (random() % 2 ? 0 : 0x7f7fffd0u);
            const uint32_t a = random() % 50, b = 0x7f7fffd0u + random() % 50;
            const BelowCounts counts = countBelow(values, a, b);
            QCOMPARE(counts.a,
                     size_t(std::count_if(values.begin(), values.end(), [&](auto v) { return v < a; })));
            QCOMPARE(counts.b,
                     size_t(std::count_if(values.begin(), values.end(), [&](auto v) { return v < b; })));
            std::vector<uint32_t> expected;
            std::copy_if(values.begin(), values.end(), std::back_inserter(expected),
                         [&](auto v) { return v >= a && v < b; });
            std::vector<uint32_t> out(n + kSelectionSlack);
            out.resize(keepRange(values, a, b, out.data()));
            QVERIFY(out == expected);
            values.resize(n + kSelectionSlack);
            values.resize(keepRange({values.data(), n}, a, b, values.data())); // in place
            QVERIFY(values == expected);
        }
    }
    void columnsBecomeRows() {
        for (const auto& [rows, cols] :
             {std::pair<size_t, size_t>{1, 1}, {3, 5}, {4, 4}, {7, 16}, {64, 3}, {33, 18}}) {
            Matrix m(rows, cols + 3);
            for (size_t i = 0; i < m.size(); ++i)
                m.data()[i] = i % 2 ? -float(i) : float(i);
            const size_t stride = rows + 5;
            std::vector<uint32_t> out(cols * stride, 77);
            transposedMagnitudes(m.view().block(0, rows, 2, cols), out.data(), stride);
            for (size_t c = 0; c < cols; ++c) {
                for (size_t r = 0; r < rows; ++r)
                    QCOMPARE(std::bit_cast<float>(out[c * stride + r]), std::fabs(m(r, c + 2)));
                QCOMPARE(out[c * stride + rows], 77u);
            }
        }
    }
    void channelsOfAMatrix() {
        // Rows and columns of very different sizes and kinds side by side.
        constexpr size_t kRows = 700, kCols = 1100;
        Matrix m(kRows, kCols);
        for (size_t r = 0; r < kRows; ++r) {
            const std::vector<float> row = distribution(int(r * 7 % kKinds), kCols, unsigned(r));
            std::copy(row.begin(), row.end(), m.row(r));
        }
        const auto s = tensorStats(m.view(), 64, {});
        QS_VERIFY_OK(s);
        const auto agrees = [](const ChannelStats& stats, size_t c, const std::vector<float>& values) {
            const PercentileValues p = sorted(values);
            return stats.p50[c] == p[0] && stats.p99[c] == p[1] && stats.p999[c] == p[2];
        };
        for (size_t r = 0; r < kRows; ++r)
            QVERIFY(agrees(s->output, r, {m.row(r), m.row(r) + kCols}));
        for (size_t c = 0; c < kCols; ++c) {
            std::vector<float> column;
            for (size_t r = 0; r < kRows; ++r)
                column.push_back(m(r, c));
            QVERIFY(agrees(s->input, c, column));
        }
        const PercentileValues all = sorted({m.data(), m.data() + m.size()});
        QVERIFY(s->p50 == double(all[0]) && s->p99 == double(all[1]) && s->p999 == double(all[2]));
    }
    void threadsChangeNothing() {
        Matrix m(515, 1031);
        const std::vector<float> values = heavyTailed(m.size(), 3);
        std::copy(values.begin(), values.end(), m.data());
        m(3, 4) = std::numeric_limits<float>::quiet_NaN();
        const int before = linalg::threads();
        linalg::setThreads(1);
        const auto one = tensorStats(m.view(), 100, {});
        QS_VERIFY_OK(one);
        for (const int threads : {2, 3, 7}) {
            linalg::setThreads(threads);
            const auto s = tensorStats(m.view(), 100, {});
            QS_VERIFY_OK(s);
            for (const auto& [a, b] :
                 {std::pair(&one->output, &s->output), std::pair(&one->input, &s->input)}) {
                QVERIFY(sameBits(a->mean, b->mean) && sameBits(a->stddev, b->stddev));
                QVERIFY(sameBits(a->kurtosis, b->kurtosis) && sameBits(a->absmax, b->absmax));
                QVERIFY(sameBits(a->p50, b->p50) && sameBits(a->p99, b->p99) && sameBits(a->p999, b->p999));
            }
            QVERIFY(one->mean == s->mean && one->stddev == s->stddev && one->kurtosis == s->kurtosis);
            QVERIFY(one->p50 == s->p50 && one->p99 == s->p99 && one->p999 == s->p999);
            QVERIFY(one->zeros == s->zeros && one->notFinite == s->notFinite);
            QVERIFY(one->histogram.counts == s->histogram.counts);
        }
        linalg::setThreads(before);
    }
};

QS_TEST(Percentiles)
#include "tst_percentile.moc"
