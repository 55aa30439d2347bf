// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/parallel.h"
#include "core/metrics/channel_fill.h"
#include "core/metrics/histogram.h"
#include "core/metrics/selection.h"

#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <mutex>
#include <optional>

namespace qs {

namespace {

/// Values per block: 1 MiB, a few hundred microseconds of work.
constexpr size_t kBlockValues = size_t(1) << 18;
/// Up to here the matrix is kept in memory.
constexpr uint64_t kKeptValues = uint64_t(1) << 26;
constexpr size_t kMaxBins = size_t(1) << 20;
/// Rows that a thread takes at once: their values stay in the second-level cache.
constexpr size_t kRowValues = size_t(1) << 15;
/// Columns turned into rows together: one cache line of every row.
constexpr size_t kColumnTile = 16;
/// Values turned at once, from the first-level cache.
constexpr size_t kTurnedRows = 256;

/// Reports progress and hears the stop request; `passes` over `values` values.
class Meter {
public:
    Meter(const JobContext& job, uint64_t values, int passes) : job_(job), total_(double(values) * passes) {}
    Result<void> advance(size_t values) {
        done_ += double(values);
        job_.report("Statistics", done_, total_);
        return job_.checkpoint();
    }

private:
    const JobContext& job_;
    double done_ = 0, total_;
};

using BlockReader = std::function<Result<ConstMatrixView>(size_t firstRow, size_t rows)>;
using BlockVisitor = std::function<void(size_t firstRow, ConstMatrixView block)>;

Result<void> eachBlock(size_t rows, size_t cols, const BlockReader& read, Meter& meter,
                       const BlockVisitor& visit) {
    const size_t height = std::max<size_t>(1, kBlockValues / std::max<size_t>(1, cols));
    for (size_t r = 0; r < rows; r += height) {
        QS_TRY(const ConstMatrixView block, read(r, std::min(height, rows - r)));
        visit(r, block);
        QS_CHECK(meter.advance(block.size()));
    }
    return {};
}

/// What one thread works with; lent out and taken back, so that there are as many as threads at work.
template<class T>
class Workers {
public:
    explicit Workers(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)) {}
    template<class F>
    void with(const F& work) {
        std::unique_ptr<T> worker = take();
        work(*worker);
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(worker));
    }
    /// After the work: each one that took part.
    template<class F>
    void each(const F& visit) const {
        for (const auto& worker : idle_)
            visit(*worker);
    }

private:
    std::unique_ptr<T> take() {
        const std::lock_guard lock(mutex_);
        if (idle_.empty()) return make_();
        std::unique_ptr<T> worker = std::move(idle_.back());
        idle_.pop_back();
        return worker;
    }
    std::function<std::unique_ptr<T>()> make_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<T>> idle_;
};

struct FirstWorker {
    PercentileSelector selector;
    TwoPassPercentiles whole;
    std::vector<uint32_t> row;
};

struct SecondWorker {
    TwoPassPercentiles whole;
    HistogramFiller filler;
};

struct ColumnWorker {
    PercentileSelector selector;
    std::vector<uint32_t> columns; ///< [kColumnTile, padded rows]
};

/// The statistics in the making: first() for every block, between(), second() for every block, finish().
/// Rows, columns and counts are independent of each other, so the number of threads changes nothing.
class Scan {
public:
    Scan(size_t rows, size_t cols, bool approximateColumns) : rows_(rows), cols_(cols), rowSums_(rows) {
        stats_.output = emptyChannelStats(rows, cols);
        stats_.input = emptyChannelStats(cols, rows);
        stats_.input.exactPercentiles = !approximateColumns;
        if (approximateColumns) {
            columnSums_.emplace(cols);
            columnMagnitudes_.emplace(cols);
        }
    }

    void first(size_t firstRow, ConstMatrixView block) {
        if (columnSums_) {
            columnSums_->addRows(block);
            columnMagnitudes_->addRows(block);
        }
        eachRow(block, firstWorkers_, [&](FirstWorker& w, size_t r) {
            const std::span<const float> row = block.rowSpan(r);
            const size_t channel = firstRow + r;
            rowSums_.addValues(channel, row);
            w.whole.first(row);
            w.row.resize(cols_);
            magnitudes(row, w.row.data());
            fillPercentiles(stats_.output, channel, w.selector.select(w.row, rowSums_.count(channel)));
        });
    }

    void between(size_t bins) {
        fillMoments(stats_.output, rowSums_);
        if (columnSums_) {
            fillMoments(stats_.input, *columnSums_);
            for (size_t c = 0; c < cols_; ++c)
                fillPercentiles(stats_.input, c, columnMagnitudes_->percentiles(c, stats_.input.absmax[c]));
        }
        firstWorkers_.each([&](const FirstWorker& w) { whole_.mergeFirst(w.whole); });
        whole_.prepareSecond();
        setTotals();
        filler_.emplace(stats_.min, stats_.max, bins);
    }

    void second(ConstMatrixView block) {
        eachRow(block, secondWorkers_, [&](SecondWorker& w, size_t r) {
            w.whole.second(block.rowSpan(r));
            w.filler.add(block.rowSpan(r));
        });
    }

    /// Moments and exact percentiles of the columns of a matrix in memory.
    Result<void> exactColumns(ConstMatrixView m, Meter& meter) {
        const size_t tiles = (cols_ + kColumnTile - 1) / kColumnTile;
        const size_t together =
            std::max<size_t>(1, 4 * kBlockValues / (kColumnTile * std::max<size_t>(1, rows_)));
        for (size_t t = 0; t < tiles; t += together) {
            const size_t n = std::min(together, tiles - t);
            linalg::parallelFor(n, 1, [&](size_t begin, size_t end) {
                columnWorkers_.with([&](ColumnWorker& w) {
                    for (size_t i = begin; i < end; ++i)
                        columnTile(m, (t + i) * kColumnTile, w);
                });
            });
            QS_CHECK(meter.advance((std::min(cols_, (t + n) * kColumnTile) - t * kColumnTile) * rows_));
        }
        return {};
    }

    TensorStats finish() {
        secondWorkers_.each([&](const SecondWorker& w) {
            whole_.mergeSecond(w.whole);
            filler_->merge(w.filler);
        });
        const PercentileValues p = whole_.result();
        stats_.p50 = p[0];
        stats_.p99 = p[1];
        stats_.p999 = p[2];
        stats_.histogram = filler_->result();
        stats_.histogram.notFinite = stats_.notFinite;
        return std::move(stats_);
    }

private:
    template<class Worker, class F>
    void eachRow(ConstMatrixView block, Workers<Worker>& workers, const F& visit) {
        const size_t grain = std::max<size_t>(1, kRowValues / std::max<size_t>(1, cols_));
        linalg::parallelFor(block.rows, grain, [&](size_t begin, size_t end) {
            workers.with([&](Worker& w) {
                for (size_t r = begin; r < end; ++r)
                    visit(w, r);
            });
        });
    }

    void columnTile(ConstMatrixView m, size_t firstColumn, ColumnWorker& w) {
        const size_t n = std::min(kColumnTile, m.cols - firstColumn);
        // Columns a power of two apart would share a cache set.
        const size_t stride = (m.rows + 15) / 16 * 16 + 16;
        w.columns.resize(kColumnTile * stride);
        ChannelSums sums(n);
        for (size_t r = 0; r < m.rows; r += kTurnedRows) {
            const ConstMatrixView part = m.block(r, std::min(kTurnedRows, m.rows - r), firstColumn, n);
            sums.addRows(part);
            transposedMagnitudes(part, w.columns.data() + r, stride);
        }
        fillMoments(stats_.input, sums, firstColumn);
        for (size_t c = 0; c < n; ++c)
            fillPercentiles(stats_.input, firstColumn + c,
                            w.selector.select({w.columns.data() + c * stride, m.rows}, sums.count(c)));
    }

    std::unique_ptr<SecondWorker> secondWorker() const {
        auto w = std::make_unique<SecondWorker>(
            SecondWorker{{}, {stats_.min, stats_.max, filler_->result().counts.size()}});
        w->whole.prepareSecondLike(whole_);
        return w;
    }

    void setTotals() {
        Moments total;
        double low = std::numeric_limits<double>::infinity(), high = -low;
        for (size_t r = 0; r < rows_; ++r) {
            if (rowSums_.count(r) == 0) continue;
            total.merge(rowSums_.moments(r));
            low = std::min(low, double(rowSums_.min(r)));
            high = std::max(high, double(rowSums_.max(r)));
        }
        stats_.notFinite = rowSums_.notFinite();
        stats_.count = uint64_t(rows_) * cols_;
        stats_.zeros = whole_.zeros();
        if (total.n == 0) return;
        stats_.min = low;
        stats_.max = high;
        stats_.absmax = std::max(-low, high);
        stats_.mean = total.mean;
        stats_.stddev = total.stddev();
        stats_.kurtosis = total.kurtosis();
    }

    TensorStats stats_;
    size_t rows_, cols_;
    ChannelSums rowSums_;
    std::optional<ChannelSums> columnSums_; ///< of a matrix that is not in memory
    std::optional<MagnitudeCounts> columnMagnitudes_;
    TwoPassPercentiles whole_;
    std::optional<HistogramFiller> filler_;
    Workers<FirstWorker> firstWorkers_{[] { return std::make_unique<FirstWorker>(); }};
    Workers<SecondWorker> secondWorkers_{[this] { return secondWorker(); }};
    Workers<ColumnWorker> columnWorkers_{[] { return std::make_unique<ColumnWorker>(); }};
};

Result<void> checkArguments(size_t rows, size_t cols, size_t bins) {
    if (bins < 1 || bins > kMaxBins)
        return Error::invalid(fmt::format("histogram bins must be in 1 .. {}, not {}", kMaxBins, bins));
    if (cols != 0 && rows > std::numeric_limits<size_t>::max() / sizeof(float) / cols)
        return Error::invalid(fmt::format("a matrix of {} x {} values does not exist", rows, cols));
    return {};
}

Result<TensorStats> scanInMemory(ConstMatrixView m, size_t bins, Meter& meter) {
    Scan scan(m.rows, m.cols, false);
    const BlockReader read = [&](size_t r, size_t n) -> Result<ConstMatrixView> {
        return m.block(r, n, 0, m.cols);
    };
    QS_CHECK(eachBlock(m.rows, m.cols, read, meter,
                       [&](size_t r, ConstMatrixView block) { scan.first(r, block); }));
    scan.between(bins);
    QS_CHECK(
        eachBlock(m.rows, m.cols, read, meter, [&](size_t, ConstMatrixView block) { scan.second(block); }));
    QS_CHECK(scan.exactColumns(m, meter));
    return scan.finish();
}

} // namespace

Result<TensorStats> tensorStats(ConstMatrixView m, size_t histogramBins, const JobContext& job) {
    QS_CHECK(checkArguments(m.rows, m.cols, histogramBins));
    Meter meter(job, m.size(), 3);
    return scanInMemory(m, histogramBins, meter);
}

Result<TensorStats>
tensorStats(size_t rows, size_t cols,
            const std::function<Result<void>(uint64_t firstRow, MatrixView out)>& readRows,
            size_t histogramBins, const JobContext& job) {
    QS_CHECK(checkArguments(rows, cols, histogramBins));
    const bool kept = uint64_t(rows) * cols <= kKeptValues;
    const size_t height = std::min(rows, std::max<size_t>(1, kBlockValues / std::max<size_t>(1, cols)));
    Matrix buffer(kept ? rows : height, cols);
    const BlockReader read = [&](size_t r, size_t n) -> Result<ConstMatrixView> {
        const MatrixView out = buffer.view().block(kept ? r : 0, n, 0, cols);
        QS_CHECK(readRows(r, out));
        return ConstMatrixView(out);
    };
    Meter meter(job, uint64_t(rows) * cols, kept ? 4 : 2);
    if (kept) {
        QS_CHECK(eachBlock(rows, cols, read, meter, [](size_t, ConstMatrixView) {}));
        return scanInMemory(buffer.view(), histogramBins, meter);
    }
    Scan scan(rows, cols, true);
    QS_CHECK(eachBlock(rows, cols, read, meter, [&](size_t r, ConstMatrixView b) { scan.first(r, b); }));
    scan.between(histogramBins);
    QS_CHECK(eachBlock(rows, cols, read, meter, [&](size_t, ConstMatrixView b) { scan.second(b); }));
    return scan.finish();
}

} // namespace qs
