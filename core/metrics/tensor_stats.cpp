// SPDX-License-Identifier: Apache-2.0
#include "core/metrics/channel_fill.h"
#include "core/metrics/histogram.h"

#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <optional>

namespace qs {

namespace {

/// Values per block: 1 MiB, a few hundred microseconds of work.
constexpr size_t kBlockValues = size_t(1) << 18;
/// Up to here the matrix is kept in memory.
constexpr uint64_t kKeptValues = uint64_t(1) << 26;
constexpr size_t kMaxBins = size_t(1) << 20;
/// Columns gathered together: one cache line of every row.
constexpr size_t kColumnTile = 16;

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

/// The statistics in the making: first() for every block, between(), second() for every block, finish().
class Scan {
public:
    Scan(size_t rows, size_t cols, bool approximateColumns) : rowSums_(rows), columnSums_(cols) {
        stats_.output = emptyChannelStats(rows, cols);
        stats_.input = emptyChannelStats(cols, rows);
        stats_.input.exactPercentiles = !approximateColumns;
        if (approximateColumns) columnMagnitudes_.emplace(cols);
    }

    void first(size_t firstRow, ConstMatrixView block) {
        columnSums_.addRows(block);
        if (columnMagnitudes_) columnMagnitudes_->addRows(block);
        for (size_t r = 0; r < block.rows; ++r) {
            const std::span<const float> row = block.rowSpan(r);
            rowSums_.addValues(firstRow + r, row);
            whole_.first(row);
            fillPercentiles(stats_.output, firstRow + r,
                            selectRow(row, rowSums_.notFinite(firstRow + r) == 0));
        }
    }

    void between(size_t bins) {
        fillMoments(stats_.output, rowSums_);
        fillMoments(stats_.input, columnSums_);
        if (columnMagnitudes_)
            for (size_t c = 0; c < columnSums_.channels(); ++c)
                fillPercentiles(stats_.input, c, columnMagnitudes_->percentiles(c, stats_.input.absmax[c]));
        whole_.prepareSecond();
        setTotals();
        filler_.emplace(stats_.min, stats_.max, bins);
    }

    void second(ConstMatrixView block) {
        for (size_t r = 0; r < block.rows; ++r) {
            whole_.second(block.rowSpan(r));
            filler_->add(block.rowSpan(r));
        }
    }

    /// Exact percentiles of the columns of a matrix in memory.
    Result<void> exactColumns(ConstMatrixView m, Meter& meter) {
        std::vector<uint32_t> columns(kColumnTile * m.rows);
        for (size_t c0 = 0; c0 < m.cols; c0 += kColumnTile) {
            const size_t n = std::min(kColumnTile, m.cols - c0);
            size_t sizes[kColumnTile] = {};
            for (size_t r = 0; r < m.rows; ++r) {
                const float* x = m.row(r) + c0;
                for (size_t c = 0; c < n; ++c) {
                    const uint32_t bits = magnitudeBits(x[c]);
                    columns[c * m.rows + sizes[c]] = bits;
                    sizes[c] += bits < kInfinityBits;
                }
            }
            for (size_t c = 0; c < n; ++c)
                fillPercentiles(stats_.input, c0 + c,
                                selector_.select({columns.data() + c * m.rows, sizes[c]}));
            QS_CHECK(meter.advance(n * m.rows));
        }
        return {};
    }

    TensorStats finish() {
        const PercentileValues p = whole_.result();
        stats_.p50 = p[0];
        stats_.p99 = p[1];
        stats_.p999 = p[2];
        stats_.histogram = filler_->result();
        stats_.histogram.notFinite = stats_.notFinite;
        return std::move(stats_);
    }

private:
    PercentileValues selectRow(std::span<const float> values, bool allFinite) {
        row_.resize(values.size());
        size_t n = values.size();
        std::transform(values.begin(), values.end(), row_.begin(), magnitudeBits);
        if (!allFinite)
            n = size_t(
                std::remove_if(row_.begin(), row_.end(), [](uint32_t m) { return m >= kInfinityBits; }) -
                row_.begin());
        return selector_.select({row_.data(), n});
    }

    void setTotals() {
        Moments total;
        double low = std::numeric_limits<double>::infinity(), high = -low;
        for (size_t r = 0; r < rowSums_.channels(); ++r) {
            if (rowSums_.count(r) == 0) continue;
            total.merge(rowSums_.moments(r));
            low = std::min(low, double(rowSums_.min(r)));
            high = std::max(high, double(rowSums_.max(r)));
        }
        stats_.notFinite = rowSums_.notFinite();
        stats_.count = uint64_t(rowSums_.channels()) * columnSums_.channels();
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
    ChannelSums rowSums_, columnSums_;
    std::optional<MagnitudeCounts> columnMagnitudes_;
    TwoPassPercentiles whole_;
    std::optional<HistogramFiller> filler_;
    PercentileSelector selector_;
    std::vector<uint32_t> row_;
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
