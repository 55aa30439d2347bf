// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/channel_stats.h"
#include "tests/support/qs_test.h"
#include "tests/unit/metrics/plain_stats.h"

#include <limits>

using namespace qs;
using namespace qs::test;

namespace {

Matrix blockOf(size_t rows, size_t cols, unsigned seed) {
    Matrix m(rows, cols);
    const auto values = heavyTailed(m.size(), seed);
    for (size_t r = 0; r < rows; ++r)
        for (size_t c = 0; c < cols; ++c)
            m(r, c) = values[r * cols + c] * std::ldexp(1.0f, int(c % 9) - 4);
    return m;
}

std::vector<float> columnOf(std::initializer_list<const Matrix*> blocks, size_t c) {
    std::vector<float> out;
    for (const Matrix* m : blocks)
        for (size_t r = 0; r < m->rows(); ++r)
            out.push_back((*m)(r, c));
    return out;
}

bool sameMoments(const ChannelStats& a, const ChannelStats& b, double relative) {
    bool same = a.samples == b.samples && a.min == b.min && a.max == b.max && a.absmax == b.absmax;
    for (size_t c = 0; c < a.channels(); ++c)
        same = same && near(a.stddev[c], b.stddev[c], relative) &&
               near(a.kurtosis[c], b.kurtosis[c], relative) &&
               std::fabs(a.mean[c] - b.mean[c]) <= relative * a.absmax[c];
    return same;
}

} // namespace

class ChannelAccumulation : public QObject {
    Q_OBJECT
private slots:
    void handArithmetic() {
        Matrix m(3, 2);
        const float values[] = {1, -2, 2, -2, 6, -2};
        std::copy_n(values, 6, m.data());
        ChannelAccumulator a(2);
        a.add(m.view());
        const ChannelStats s = a.result();
        QCOMPARE(s.samples, uint64_t(3));
        // 1 2 6: mean 3, squares of deviations 4 1 9, fourth powers 16 1 81: (98 / 3) / (14 / 3)^2 = 1.5.
        QCOMPARE(s.mean[0], 3.0f);
        QVERIFY(near(s.stddev[0], std::sqrt(14.0 / 3), 1e-7));
        QVERIFY(near(s.kurtosis[0], 1.5, 1e-7));
        QCOMPARE(s.min[0], 1.0f);
        QCOMPARE(s.max[0], 6.0f);
        QCOMPARE(s.mean[1], -2.0f);
        QCOMPARE(s.absmax[1], 2.0f);
        QCOMPARE(s.stddev[1], 0.0f);
        QCOMPARE(s.kurtosis[1], 0.0f);
        QVERIFY(!s.exactPercentiles);
        QVERIFY(near(s.p50[1], 2.0, 0.0625));
    }

    void agreesWithTheDefinitions() {
        const Matrix a = blockOf(333, 70, 1), b = blockOf(1, 70, 2), c = blockOf(1000, 70, 3);
        ChannelAccumulator all(70);
        for (const Matrix* m : {&a, &b, &c})
            all.add(m->view());
        const ChannelStats s = all.result();
        QCOMPARE(s.samples, uint64_t(1334));
        for (size_t i = 0; i < 70; ++i) {
            const auto values = columnOf({&a, &b, &c}, i);
            const PlainStats plain = plainStats(values);
            QVERIFY(near(s.stddev[i], double(plain.stddev), 1e-6));
            QVERIFY(near(s.kurtosis[i], double(plain.kurtosis), 1e-6));
            QVERIFY(std::fabs(s.mean[i] - double(plain.mean)) <= 1e-6 * s.stddev[i]);
            QCOMPARE(s.max[i], *std::max_element(values.begin(), values.end()));
            QVERIFY(near(s.p50[i], plainPercentile(values, 0.5), 0.0625));
            QVERIFY(near(s.p99[i], plainPercentile(values, 0.99), 0.0625));
            QVERIFY(near(s.p999[i], plainPercentile(values, 0.999), 0.0625));
        }
    }

    void mergeEqualsWhole() {
        const Matrix a = blockOf(200, 33, 4), b = blockOf(77, 33, 5), c = blockOf(512, 33, 6);
        ChannelAccumulator whole(33), first(33), second(33), empty(33);
        for (const Matrix* m : {&a, &b, &c})
            whole.add(m->view());
        first.add(a.view());
        second.add(b.view());
        second.add(c.view());
        first.merge(empty);
        first.merge(second);
        empty.merge(first);
        for (const ChannelAccumulator* m : {&first, &empty}) {
            const ChannelStats s = m->result(), w = whole.result();
            QVERIFY(sameMoments(s, w, 1e-6));
            QCOMPARE(s.p50, w.p50);
            QCOMPARE(s.p999, w.p999);
        }
    }

    void mergeFarFromZero() {
        Matrix a(100, 1), b(100, 1);
        for (size_t i = 0; i < 100; ++i) {
            a(i, 0) = 1e7f + float(i % 2);
            b(i, 0) = 1e7f + 4.0f + float(i % 2);
        }
        ChannelAccumulator x(1), y(1);
        x.add(a.view());
        y.add(b.view());
        x.merge(y);
        // Within 1/4, between the halves 4.
        QVERIFY(near(x.result().stddev[0], std::sqrt(4.25), 1e-6));
        QVERIFY(near(x.result().mean[0], 1e7 + 2.5, 1e-7));
    }

    // One value per channel over the whole range of the counts and beyond it.
    void percentileErrorBound() {
        constexpr size_t n = 4000;
        Matrix m(1, n);
        for (size_t i = 0; i < n; ++i)
            m(0, i) = float(std::exp2(-40.0 + 80.0 * double(i) / n)) * (i % 2 ? -1.0f : 1.0f);
        ChannelAccumulator a(n);
        a.add(m.view());
        const ChannelStats s = a.result();
        for (size_t i = 0; i < n; ++i) {
            const float x = std::fabs(m(0, i));
            if (x < std::exp2(-32.0))
                QCOMPARE(s.p50[i], 0.0f);
            else
                QVERIFY(std::fabs(s.p50[i] - x) < 0.0625 * x);
            QVERIFY(s.p999[i] <= s.absmax[i]);
        }
    }

    void zerosAndOneSpike() {
        Matrix m(1000, 1);
        m(400, 0) = 70000.0f;
        ChannelAccumulator a(1);
        a.add(m.view());
        const ChannelStats s = a.result();
        QCOMPARE(s.p50[0], 0.0f);
        QCOMPARE(s.p99[0], 0.0f);
        QCOMPARE(s.absmax[0], 70000.0f);
        // h = 998.001: 0.1 % of the way from 0 to the spike.
        QVERIFY(near(s.p999[0], 70.0, 0.0625));
    }

    void notFiniteIsLeftOut() {
        constexpr float nan = std::numeric_limits<float>::quiet_NaN();
        constexpr float inf = std::numeric_limits<float>::infinity();
        Matrix m(3, 2), later(2, 2);
        const float values[] = {nan, 1, nan, inf, -inf, 3}, laterValues[] = {4, nan, 6, 5};
        std::copy_n(values, 6, m.data());
        std::copy_n(laterValues, 4, later.data());
        ChannelAccumulator a(2);
        a.add(m.view());
        QCOMPARE(a.notFinite(), uint64_t(4));
        QCOMPARE(a.result().absmax[0], 0.0f);
        a.add(later.view());
        const ChannelStats s = a.result();
        QCOMPARE(a.notFinite(), uint64_t(5));
        QCOMPARE(s.min[0], 4.0f);
        QCOMPARE(s.mean[0], 5.0f);
        QCOMPARE(s.stddev[0], 1.0f);
        QVERIFY(near(s.p999[0], 6.0, 0.0625));
        QCOMPARE(s.mean[1], 3.0f);
        QCOMPARE(s.max[1], 5.0f);
        QCOMPARE(s.samples, uint64_t(5));
    }

    void rowOrderOfBlocksDoesNotMatterToTheBits() {
        const Matrix m = blockOf(64, 600, 9);
        ChannelAccumulator whole(600), pieces(600);
        whole.add(m.view());
        for (const auto& [from, rows] : {std::pair<size_t, size_t>{0, 1}, {1, 40}, {41, 23}})
            pieces.add(m.view().block(from, rows, 0, 600));
        QCOMPARE(pieces.result().stddev, whole.result().stddev);
        QCOMPARE(pieces.result().kurtosis, whole.result().kurtosis);
    }
};

QS_TEST(ChannelAccumulation)
#include "tst_channel_accumulator.moc"
