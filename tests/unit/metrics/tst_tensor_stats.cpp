// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/channel_stats.h"
#include "tests/support/qs_test.h"
#include "tests/unit/metrics/plain_stats.h"

#include <cstring>
#include <limits>

using namespace qs;
using namespace qs::test;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Matrix matrixOf(size_t rows, size_t cols, const std::vector<float>& values) {
    Matrix m(rows, cols);
    std::copy(values.begin(), values.end(), m.data());
    return m;
}

std::vector<float> column(const Matrix& m, size_t c) {
    std::vector<float> out;
    for (size_t r = 0; r < m.rows(); ++r)
        out.push_back(m(r, c));
    return out;
}

TensorStats statsOf(const Matrix& m, size_t bins = 16) {
    auto s = tensorStats(m.view(), bins, {});
    return s ? std::move(*s) : TensorStats{};
}

} // namespace

class TensorStatistics : public QObject {
    Q_OBJECT
private slots:
    void handArithmetic() {
        const TensorStats s = statsOf(matrixOf(2, 4, {1, 2, 3, 4, -8, 0, 0, 8}), 4);
        // Row 0: mean 2.5, variance (2.25 + 0.25) / 2, m4 = (5.0625 + 0.0625) / 2, ratio 2.5625 / 1.25^2.
        QVERIFY(near(s.output.mean[0], 2.5, 1e-7));
        QVERIFY(near(s.output.stddev[0], std::sqrt(1.25), 1e-7));
        QVERIFY(near(s.output.kurtosis[0], 1.64, 1e-7));
        QCOMPARE(s.output.min[0], 1.0f);
        QCOMPARE(s.output.max[0], 4.0f);
        // |x| sorted 1 2 3 4: h = 1.5, 2.97, 2.997.
        QVERIFY(near(s.output.p50[0], 2.5, 1e-7));
        QVERIFY(near(s.output.p99[0], 3.97, 1e-7));
        QVERIFY(near(s.output.p999[0], 3.997, 1e-7));
        // Row 1: mean 0, variance 32, m4 = 2048.
        QCOMPARE(s.output.mean[1], 0.0f);
        QVERIFY(near(s.output.stddev[1], std::sqrt(32.0), 1e-7));
        QVERIFY(near(s.output.kurtosis[1], 2.0, 1e-7));
        QCOMPARE(s.output.absmax[1], 8.0f);
        QVERIFY(near(s.output.p50[1], 4.0, 1e-7));
        // Column 0 holds 1, -8: mean -3.5, deviations 4.5.
        QVERIFY(near(s.input.mean[0], -3.5, 1e-7));
        QVERIFY(near(s.input.stddev[0], 4.5, 1e-7));
        QVERIFY(near(s.input.kurtosis[0], 1.0, 1e-7));
        QCOMPARE(s.input.min[0], -8.0f);
        QCOMPARE(s.input.absmax[0], 8.0f);
        QVERIFY(near(s.input.p50[0], 4.5, 1e-7));
        QCOMPARE(s.input.samples, uint64_t(2));
        QCOMPARE(s.output.samples, uint64_t(4));
        // The whole: sum 10, squares 1 + 4 + 9 + 16 + 64 + 64 = 158, variance 158/8 - 1.25^2 = 18.1875.
        QCOMPARE(s.min, -8.0);
        QCOMPARE(s.max, 8.0);
        QCOMPARE(s.absmax, 8.0);
        QVERIFY(near(s.mean, 1.25, 1e-14));
        QVERIFY(near(s.stddev, std::sqrt(18.1875), 1e-14));
        QCOMPARE(s.count, uint64_t(8));
        QCOMPARE(s.zeros, uint64_t(2));
        QCOMPARE(s.notFinite, uint64_t(0));
        // |x| sorted 0 0 1 2 3 4 8 8: h = 3.5 -> 2.5; 6.93 and 6.993 -> 8.
        QVERIFY(near(s.p50, 2.5, 1e-7));
        QCOMPARE(s.p99, 8.0);
        // Bins of width 4 from -8: {-8}, {}, {0 0 1 2 3}, {4 8}.
        QCOMPARE(s.histogram.counts, (std::vector<uint64_t>{1, 0, 5, 2}));
        QVERIFY(s.input.exactPercentiles && s.output.exactPercentiles);
    }

    // -50.0, -49.9 .. 50.0 in a mixed order. n evenly spaced values: variance step^2 (n^2 - 1) / 12, kurtosis
    // 3/5 (3 n^2 - 7) / (n^2 - 1). Sorted |x| is 0, .1, .1, .2, .2 ..: rank k holds 0.1 ceil(k / 2).
    void evenlySpacedValues() {
        constexpr int n = 1001;
        Matrix row(1, n), col(n, 1);
        for (int i = 0; i < n; ++i)
            row(0, size_t(i)) = col(size_t(i), 0) = float(double((i * 7919) % n - 500) / 10);
        const double variance = 0.01 * (double(n) * n - 1) / 12;
        const double kurtosis = 0.6 * (3.0 * n * n - 7) / (double(n) * n - 1);
        const TensorStats byRow = statsOf(row), byColumn = statsOf(col);
        for (const ChannelStats* s : {&byRow.output, &byColumn.input}) {
            QVERIFY(std::fabs(s->mean[0]) <= 1e-6);
            QVERIFY(near(s->stddev[0], std::sqrt(variance), 1e-6));
            QVERIFY(near(s->kurtosis[0], kurtosis, 1e-6));
            QVERIFY(near(s->p50[0], 25.0, 1e-6));
            QVERIFY(near(s->p99[0], 49.5, 1e-6));
            QVERIFY(near(s->p999[0], 50.0, 1e-6));
        }
        QVERIFY(near(byRow.p50, 25.0, 1e-6));
        QVERIFY(near(byRow.p99, 49.5, 1e-6));
        QVERIFY(near(byRow.stddev, std::sqrt(variance), 1e-6));
        QVERIFY(near(byColumn.kurtosis, kurtosis, 1e-6));
    }

    // numpy 1.24: x = [0.5, -1.25, 3, 7.75, -2, 0.125, 10, -4.5];
    // x.mean(), x.std(), ((x - x.mean())**4).mean() / x.var()**2, np.percentile(abs(x), [50, 99, 99.9])
    void valuesOfNumPy() {
        const TensorStats s = statsOf(matrixOf(1, 8, {0.5f, -1.25f, 3, 7.75f, -2, 0.125f, 10, -4.5f}));
        QVERIFY(near(s.mean, 1.703125, 1e-15));
        QVERIFY(near(s.stddev, 4.635940396443315, 1e-14));
        QVERIFY(near(s.kurtosis, 2.1193577593442936, 1e-13));
        QVERIFY(near(s.p50, 2.5, 1e-7));
        QVERIFY(near(s.p99, 9.8425, 1e-7));
        QVERIFY(near(s.p999, 9.98425, 1e-7));
    }

    // One value a among n - 1 zeros: a Bernoulli variable with p = 1/n, kurtosis (1 - 3 p q) / (p q).
    void oneOutlierAnywhere() {
        constexpr size_t n = 5000;
        const double p = 1.0 / n, q = 1 - p;
        for (const size_t at : {size_t(0), n / 2, n - 1}) {
            Matrix row(1, n), col(n, 1);
            row(0, at) = col(at, 0) = -3e5f;
            const TensorStats byRow = statsOf(row), byColumn = statsOf(col);
            for (const ChannelStats* s : {&byRow.output, &byColumn.input}) {
                QVERIFY(near(s->mean[0], -3e5 * p, 1e-6));
                QVERIFY(near(s->stddev[0], 3e5 * std::sqrt(p * q), 1e-6));
                QVERIFY(near(s->kurtosis[0], (1 - 3 * p * q) / (p * q), 1e-6));
                QCOMPARE(s->p99[0], 0.0f);
            }
            QVERIFY(near(byColumn.kurtosis, (1 - 3 * p * q) / (p * q), 1e-9));
            QCOMPARE(byRow.zeros, uint64_t(n - 1));
        }
    }

    // 1e7 and 1e7 + 1 in turn: sums of squares in float64 would keep 2 digits of the variance.
    void smallSpreadFarFromZero() {
        Matrix m(64, 64);
        for (size_t i = 0; i < m.size(); ++i)
            m.data()[i] = 1e7f + float((i + i / 64) % 2);
        const TensorStats s = statsOf(m);
        QVERIFY(near(s.mean, 1e7 + 0.5, 1e-15));
        QVERIFY(near(s.stddev, 0.5, 1e-9));
        QVERIFY(near(s.kurtosis, 1.0, 1e-9));
        for (size_t i = 0; i < 64; ++i) {
            QVERIFY(near(s.output.stddev[i], 0.5, 1e-7));
            QVERIFY(near(s.input.kurtosis[i], 1.0, 1e-7));
        }
    }

    // 1 .. 5 times the smallest denormal: mean 3, variance 2, m4 = (16 + 1 + 0 + 1 + 16) / 5 = 6.8.
    void denormals() {
        const float d = std::numeric_limits<float>::denorm_min();
        const TensorStats s = statsOf(matrixOf(1, 5, {d, 2 * d, 3 * d, 4 * d, 5 * d}), 5);
        QVERIFY(near(s.mean, 3.0 * d, 1e-14));
        QVERIFY(near(s.stddev, std::sqrt(2.0) * d, 1e-14));
        QVERIFY(near(s.kurtosis, 1.7, 1e-13));
        QCOMPARE(s.p50, 3.0 * double(d));
        QCOMPARE(s.zeros, uint64_t(0));
        QCOMPARE(s.histogram.counts, (std::vector<uint64_t>{1, 1, 1, 1, 1}));
    }

    void largestValues() {
        const float big = std::numeric_limits<float>::max();
        const TensorStats s = statsOf(matrixOf(2, 2, {big, -big, -big, big}), 2);
        QCOMPARE(s.mean, 0.0);
        QVERIFY(near(s.stddev, big, 1e-14));
        QVERIFY(near(s.kurtosis, 1.0, 1e-13));
        QCOMPARE(s.output.absmax[1], big);
        QCOMPARE(s.histogram.counts, (std::vector<uint64_t>{2, 2}));
    }

    void constantChannels() {
        Matrix m(37, 53);
        std::fill_n(m.data(), m.size(), 0.1f);
        const TensorStats s = statsOf(m, 8);
        QCOMPARE(s.stddev, 0.0);
        QCOMPARE(s.kurtosis, 0.0);
        QCOMPARE(s.mean, double(0.1f));
        for (const ChannelStats* c : {&s.input, &s.output})
            for (size_t i = 0; i < c->channels(); ++i) {
                QCOMPARE(c->stddev[i], 0.0f);
                QCOMPARE(c->kurtosis[i], 0.0f);
                QCOMPARE(c->mean[i], 0.1f);
                QCOMPARE(c->p999[i], 0.1f);
            }
        QCOMPARE(s.histogram.counts[0], uint64_t(37 * 53));
    }

    void notFiniteIsCountedAndLeftOut() {
        // Column 0 starts with NaN, column 2 has no finite value, row 2 neither.
        const Matrix m = matrixOf(4, 3, {kNaN, 5, kInf, 2, 7, -kInf, kNaN, kNaN, kNaN, 4, -kInf, kNaN});
        const TensorStats s = statsOf(m, 2);
        QCOMPARE(s.notFinite, uint64_t(8));
        QCOMPARE(s.histogram.notFinite, uint64_t(8));
        QCOMPARE(s.count, uint64_t(12));
        // Finite: 5 2 7 4, mean 4.5, variance (0.25 + 6.25 + 6.25 + 0.25) / 4.
        QVERIFY(near(s.mean, 4.5, 1e-15));
        QVERIFY(near(s.stddev, std::sqrt(3.25), 1e-14));
        QCOMPARE(s.min, 2.0);
        QCOMPARE(s.max, 7.0);
        QVERIFY(near(s.p50, 4.5, 1e-7));
        QCOMPARE(s.input.min[0], 2.0f);
        QCOMPARE(s.input.mean[0], 3.0f);
        QCOMPARE(s.input.stddev[0], 1.0f);
        QVERIFY(near(s.input.p50[0], 3.0, 1e-7));
        QCOMPARE(s.input.mean[1], 6.0f);
        QCOMPARE(s.output.mean[1], 4.5f);
        QCOMPARE(s.output.mean[3], 4.0f);
        QCOMPARE(s.output.stddev[3], 0.0f);
        for (const float v : {s.input.min[2], s.input.max[2], s.input.mean[2], s.input.p999[2],
                              s.output.absmax[2], s.output.stddev[2], s.output.p50[2]})
            QCOMPARE(v, 0.0f);
        QCOMPARE(s.histogram.counts, (std::vector<uint64_t>{2, 2}));
    }

    void emptyAndWrongArguments() {
        const TensorStats s = statsOf(Matrix(0, 5), 3);
        QCOMPARE(s.count, uint64_t(0));
        QCOMPARE(s.input.channels(), size_t(5));
        QCOMPARE(s.p50, 0.0);
        QCOMPARE(s.histogram.counts.size(), size_t(3));
        const Matrix m(2, 2);
        for (const size_t bins : {size_t(0), (size_t(1) << 20) + 1}) {
            const auto r = tensorStats(m.view(), bins, {});
            QVERIFY(!r);
            QVERIFY(r.error().code == ErrorCode::InvalidArgument);
        }
        const auto nothing = [](uint64_t, MatrixView) { return Result<void>(); };
        QVERIFY(!tensorStats(size_t(1) << 40, size_t(1) << 40, nothing, 4, {}));
    }

    // Sizes around the vector widths and the selection limits, views with a stride.
    void agreesWithTheDefinitions() {
        const std::pair<size_t, size_t> shapes[] = {{1, 1}, {3, 17}, {520, 31}, {700, 9}, {19, 1500}};
        for (const auto& [rows, cols] : shapes) {
            const Matrix wide = matrixOf(rows, cols + 5, heavyTailed(rows * (cols + 5), unsigned(cols)));
            const ConstMatrixView view = wide.view().block(0, rows, 3, cols);
            Matrix m(rows, cols);
            for (size_t r = 0; r < rows; ++r)
                std::copy_n(view.row(r), cols, m.row(r));
            auto s = tensorStats(view, 10, {});
            QS_VERIFY_OK(s);
            for (size_t r = 0; r < rows; ++r)
                QVERIFY(agrees(s->output, r, {m.row(r), m.row(r) + cols}));
            for (size_t c = 0; c < cols; ++c)
                QVERIFY(agrees(s->input, c, column(m, c)));
            const std::vector<float> all(m.data(), m.data() + m.size());
            const PlainStats plain = plainStats(all);
            QVERIFY(near(s->mean, double(plain.mean), 1e-10));
            QVERIFY(near(s->stddev, double(plain.stddev), 1e-12));
            QVERIFY(near(s->kurtosis, double(plain.kurtosis), 1e-11));
            QVERIFY(near(s->p50, plainPercentile(all, 0.5), 1e-7));
            QVERIFY(near(s->p99, plainPercentile(all, 0.99), 1e-7));
            QVERIFY(near(s->p999, plainPercentile(all, 0.999), 1e-7));
        }
    }

    void streamingEqualsInMemory() {
        const Matrix m = matrixOf(300, 1111, heavyTailed(300 * 1111, 5));
        const auto read = [&](uint64_t first, MatrixView out) -> Result<void> {
            for (size_t r = 0; r < out.rows; ++r)
                std::copy_n(m.row(first + r), out.cols, out.row(r));
            return {};
        };
        const TensorStats a = statsOf(m, 32);
        const auto b = tensorStats(m.rows(), m.cols(), read, 32, {});
        QS_VERIFY_OK(b);
        QCOMPARE(b->histogram.counts, a.histogram.counts);
        QCOMPARE(b->stddev, a.stddev);
        QCOMPARE(b->p999, a.p999);
        QCOMPARE(b->input.kurtosis, a.input.kurtosis);
        QCOMPARE(b->input.p99, a.input.p99);
        QCOMPARE(b->output.p50, a.output.p50);
    }

    // More values than are kept in memory: read twice, columns by counts. Element (r, c) is
    // table[(r + 2 c) % 256]: even rows hold the even entries 64 times, odd rows the odd ones.
    void largerThanMemory() {
        constexpr size_t rows = 8193, cols = 8192;
        std::vector<float> table(256);
        for (size_t i = 0; i < table.size(); ++i)
            table[i] = float(i) - 100.0f;
        size_t reads = 0, blocks = 0;
        const auto read = [&](uint64_t first, MatrixView out) -> Result<void> {
            reads += out.rows;
            ++blocks;
            for (size_t r = 0; r < out.rows; ++r)
                for (size_t c = 0, i = (first + r) % 256; c < cols; ++c, i = (i + 2) % 256)
                    out(r, c) = table[i];
            return {};
        };
        const auto s = tensorStats(rows, cols, read, 256, {});
        QS_VERIFY_OK(s);
        QCOMPARE(reads, 2 * rows);
        QVERIFY(blocks >= 2 * 256);
        QVERIFY(!s->input.exactPercentiles);
        QVERIFY(s->output.exactPercentiles);
        std::vector<float> even, odd, all;
        for (size_t i = 0; i < cols; ++i) {
            even.push_back(table[2 * i % 256]);
            odd.push_back(table[(2 * i + 1) % 256]);
            all.push_back(table[i % 256]);
        }
        all.push_back(table[(7 * 2 + rows - 1) % 256]); // the last value of column 7
        QVERIFY(near(s->output.stddev[0], double(plainStats(even).stddev), 1e-6));
        QVERIFY(near(s->output.stddev[1], double(plainStats(odd).stddev), 1e-6));
        QVERIFY(near(s->output.p50[0], plainPercentile(even, 0.5), 1e-6));
        QVERIFY(near(s->output.p99[1], plainPercentile(odd, 0.99), 1e-6));
        QVERIFY(near(s->input.stddev[7], double(plainStats(all).stddev), 1e-6));
        QVERIFY(near(s->input.mean[7], double(plainStats(all).mean), 1e-6));
        QVERIFY(near(s->input.p50[7], plainPercentile(all, 0.5), 0.0625));
        QVERIFY(near(s->input.p99[7], plainPercentile(all, 0.99), 0.0625));
        // The zero is an even entry: 64 times in each of the 4097 even rows.
        QCOMPARE(s->zeros, uint64_t(4097 * 64));
        QCOMPARE(s->count, uint64_t(rows) * cols);
        uint64_t counted = 0;
        for (const uint64_t c : s->histogram.counts)
            counted += c;
        QCOMPARE(counted, s->count);
    }

    void stopIsHeardWithinABlock() {
        std::stop_source stop;
        size_t calls = 0;
        const auto read = [&](uint64_t, MatrixView) -> Result<void> {
            if (++calls == 5) stop.request_stop();
            return {};
        };
        const auto r = tensorStats(size_t(1) << 14, size_t(1) << 14, read, 16, JobContext(stop.get_token()));
        QVERIFY(r.isCancelled());
        QCOMPARE(calls, size_t(5));
        const Matrix m(4, 4);
        QVERIFY(tensorStats(m.view(), 4, JobContext(stop.get_token())).isCancelled());
    }

    void readErrorsPassThrough() {
        const auto read = [](uint64_t, MatrixView) -> Result<void> {
            return Error::io("the disk is gone", "x");
        };
        const auto r = tensorStats(4, 4, read, 4, {});
        QVERIFY(!r);
        QCOMPARE(r.error().message, std::string("the disk is gone"));
    }

    void progressRises() {
        double last = 0;
        bool rises = true;
        const JobContext job({}, [&](const Progress& p) {
            rises = rises && p.fraction() >= last;
            last = p.fraction();
        });
        const Matrix m = matrixOf(600, 1000, heavyTailed(600000, 2));
        QS_VERIFY_OK(tensorStats(m.view(), 4, job));
        QVERIFY(rises);
        QVERIFY(near(last, 1.0, 1e-12));
    }

private:
    static bool agrees(const ChannelStats& s, size_t channel, const std::vector<float>& values) {
        const PlainStats plain = plainStats(values);
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        const double scale = std::max(std::fabs(*low), std::fabs(*high));
        return s.min[channel] == *low && s.max[channel] == *high && s.absmax[channel] == float(scale) &&
               std::fabs(s.mean[channel] - double(plain.mean)) <= 1e-7 * scale &&
               near(s.stddev[channel], double(plain.stddev), 1e-6) &&
               near(s.kurtosis[channel], double(plain.kurtosis), 1e-6) &&
               near(s.p50[channel], plainPercentile(values, 0.5), 1e-6) &&
               near(s.p99[channel], plainPercentile(values, 0.99), 1e-6) &&
               near(s.p999[channel], plainPercentile(values, 0.999), 1e-6);
    }
};

QS_TEST(TensorStatistics)
#include "tst_tensor_stats.moc"
