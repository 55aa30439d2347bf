// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cpu/codes.h"

#include "core/linalg/block_rotation.h"
#include "core/linalg/differences.h"
#include "core/linalg/elements.h"
#include "core/linalg/grid_kernels.h"
#include "core/linalg/kmeans.h"
#include "core/linalg/log_softmax.h"
#include "core/linalg/parallel.h"

#include <atomic>
#include <limits>
#include <mutex>
#include <numeric>

namespace qs::cpu {

namespace {

/// Rows per chunk of a parallel loop, about 2^14 values.
size_t rowGrain(size_t cols) {
    return std::max<size_t>(1, (size_t(1) << 14) / std::max<size_t>(1, cols));
}

/// Scales and zero points of a row, spread over its columns; read again only where they change.
class RowParameters {
public:
    RowParameters(const Groups& groups, size_t cols) : groups_(groups), scale_(cols), zero_(cols) {}

    void seek(size_t row) {
        const size_t p = groups_.scale.rows == 1 ? 0 : row / groups_.blockRows;
        if (p == row_) return;
        row_ = p;
        spread(groups_.scale, scale_);
        if (groups_.zero.data) spread(groups_.zero, zero_);
    }
    const float* scale() const { return scale_.data(); }
    const float* zero() const { return zero_.data(); }

private:
    void spread(ConstMatrixView from, std::vector<float>& to) const {
        const float* in = from.row(row_);
        const auto& index = groups_.groupOfColumn;
        if (!index.empty()) {
            for (size_t c = 0; c < to.size(); ++c)
                to[c] = in[index[c]];
            return;
        }
        for (size_t c = 0, g = 0; c < to.size(); c += groups_.groupSize, ++g)
            std::fill_n(to.begin() + ptrdiff_t(c), std::min(groups_.groupSize, to.size() - c), in[g]);
    }

    const Groups& groups_;
    size_t row_ = SIZE_MAX;
    std::vector<float> scale_, zero_;
};

void roundToLevels(const float* x, size_t n, const CodeGrid& grid, const float* scale, uint8_t* codes,
                   float* values) {
    for (size_t i = 0; i < n; ++i) {
        codes[i] = scale[i] == 0
                       ? grid.zeroCode
                       : uint8_t(levelCode(grid.bounds.data(), grid.bounds.size(), x[i] / scale[i]));
        values[i] = scale[i] * grid.levels[codes[i]];
    }
}

} // namespace

bool allFinite(ConstMatrixView x) {
    for (size_t r = 0; r < x.rows; ++r)
        if (countNotFinite(x.row(r), x.cols) > 0) return false;
    return true;
}

bool roundToGrid(ConstMatrixView x, const CodeGrid& grid, const Groups& groups, MatrixViewT<uint8_t> codes,
                 MatrixView values) {
    std::atomic<bool> bad = false;
    linalg::parallelFor(x.rows, rowGrain(x.cols), [&](size_t begin, size_t end) {
        RowParameters p(groups, x.cols);
        std::vector<float> unwanted(values.data ? 0 : x.cols);
        for (size_t r = begin; r < end && !bad; ++r) {
            if (countNotFinite(x.row(r), x.cols) > 0) {
                bad = true;
                return;
            }
            p.seek(r);
            float* out = values.data ? values.row(r) : unwanted.data();
            if (grid.levels.empty())
                qs::roundToGrid(x.row(r), x.cols, p.scale(), p.zero(), float(grid.maxCode), codes.row(r),
                                out);
            else
                roundToLevels(x.row(r), x.cols, grid, p.scale(), codes.row(r), out);
        }
    });
    return !bad;
}

void groupRanges(ConstMatrixView x, size_t groupSize, MatrixView low, MatrixView high) {
    linalg::parallelFor(x.rows, rowGrain(x.cols), [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r)
            for (size_t c = 0, g = 0; c < x.cols; c += groupSize, ++g) {
                const MinMax found = minMaxOf(x.row(r) + c, std::min(groupSize, x.cols - c));
                low(r, g) = found.min;
                high(r, g) = found.max;
            }
    });
}

void decodeCodes(MatrixViewT<const uint8_t> codes, const CodeGrid& grid, const Groups& groups,
                 MatrixView values) {
    const auto most = uint8_t(grid.maxCode);
    linalg::parallelFor(codes.rows, rowGrain(codes.cols), [&](size_t begin, size_t end) {
        RowParameters p(groups, codes.cols);
        for (size_t r = begin; r < end; ++r) {
            p.seek(r);
            const uint8_t* q = codes.row(r);
            float* out = values.row(r);
            for (size_t c = 0; c < codes.cols; ++c) {
                const uint8_t code = std::min(q[c], most);
                out[c] = grid.levels.empty() ? uniformValue(float(code), p.scale()[c], p.zero()[c])
                                             : p.scale()[c] * grid.levels[code];
            }
        }
    });
}

namespace {

/// Columns [first, first + count), row by row: their sums stay in the first-level cache.
void sumColumns(ConstMatrixView x, std::span<const float> shift, size_t first, size_t count,
                ColumnSums& out) {
    std::vector<double> sums(4 * count);
    float *low = out.min.data() + first, *high = out.max.data() + first;
    std::fill_n(low, count, std::numeric_limits<float>::infinity());
    std::fill_n(high, count, -std::numeric_limits<float>::infinity());
    for (size_t r = 0; r < x.rows; ++r) {
        const float* row = x.row(r) + first;
        for (size_t c = 0; c < count; ++c) {
            if (!isFiniteValue(row[c])) {
                ++out.notFinite[first + c];
                continue;
            }
            low[c] = std::min(low[c], row[c]);
            high[c] = std::max(high[c], row[c]);
            addPowers(row[c], shift[first + c], sums.data() + 4 * c);
        }
    }
    for (size_t c = 0; c < count; ++c) {
        if (low[c] > high[c]) low[c] = high[c] = 0; // nothing finite
        for (size_t k = 0; k < 4; ++k)
            out.powers[k][first + c] = sums[4 * c + k];
    }
}

} // namespace

ColumnSums columnSums(ConstMatrixView x, std::span<const float> shift) {
    constexpr size_t kTile = 256;
    ColumnSums out;
    out.min.resize(x.cols);
    out.max.resize(x.cols);
    out.notFinite.resize(x.cols);
    out.rowAbsmax.resize(x.rows);
    for (std::vector<double>& power : out.powers)
        power.resize(x.cols);
    linalg::parallelFor((x.cols + kTile - 1) / kTile, 1, [&](size_t begin, size_t end) {
        for (size_t t = begin; t < end; ++t)
            sumColumns(x, shift, t * kTile, std::min(kTile, x.cols - t * kTile), out);
    });
    linalg::parallelFor(x.rows, rowGrain(x.cols), [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r)
            for (const float v : x.rowSpan(r))
                if (isFiniteValue(v)) out.rowAbsmax[r] = std::max(out.rowAbsmax[r], std::fabs(v));
    });
    return out;
}

ValueCounts countValues(ConstMatrixView x, double lo, double hi, size_t bins) {
    const EqualBins equal = equalBins(lo, hi, bins);
    ValueCounts out;
    out.bins.resize(bins);
    std::mutex mutex;
    linalg::parallelFor(x.rows, 16 * rowGrain(x.cols), [&](size_t begin, size_t end) {
        ValueCounts part;
        part.bins.resize(bins);
        for (size_t r = begin; r < end; ++r)
            for (const float v : x.rowSpan(r)) {
                if (equal.holds(double(v)))
                    ++part.bins[equal.indexOf(double(v))];
                else
                    ++(!isFiniteValue(v) ? part.notFinite : double(v) < lo ? part.below : part.above);
            }
        const std::lock_guard lock(mutex);
        for (size_t i = 0; i < bins; ++i)
            out.bins[i] += part.bins[i];
        out.below += part.below;
        out.above += part.above;
        out.notFinite += part.notFinite;
    });
    return out;
}

LogitScores scoreLogits(ConstMatrixView logits, std::span<const uint32_t> rows,
                        std::span<const uint32_t> targets, ConstMatrixView reference) {
    LogitScores out;
    out.nll.resize(rows.size());
    out.top.resize(rows.size());
    if (reference.data) {
        out.referenceNll.resize(rows.size());
        out.referenceTop.resize(rows.size());
        out.kl.resize(rows.size());
    }
    linalg::parallelFor(rows.size(), 16, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            const std::span<const float> own = logits.rowSpan(rows[i]);
            const linalg::LogSoftmax s = linalg::logSoftmax(own);
            out.nll[i] = float(s.logSum - double(own[targets[i]]));
            out.top[i] = int32_t(s.argmax);
            if (!reference.data) continue;
            const std::span<const float> other = reference.rowSpan(rows[i]);
            const linalg::LogSoftmax r = linalg::logSoftmax(other);
            out.referenceNll[i] = float(r.logSum - double(other[targets[i]]));
            out.referenceTop[i] = int32_t(r.argmax);
            out.kl[i] = float(linalg::klDivergence(other, r, own, s));
        }
    });
    return out;
}

KMeansStep kMeansStep(ConstMatrixView points, std::span<const float> weights, ConstMatrixView centers) {
    KMeansStep out;
    out.nearest.resize(points.rows);
    out.losses.resize(points.rows);
    linalg::assignToCenters(points, weights, centers, out.nearest, out.losses);
    out.loss = std::accumulate(out.losses.begin(), out.losses.end(), 0.0);
    out.sums = linalg::sumsByCenter(points, weights, out.nearest, centers.rows);
    return out;
}

void rotateRows(MatrixView x, std::span<const float> signs, const MatrixD& orthogonal, bool back) {
    if (x.cols == 0) return;
    linalg::parallelFor(x.rows, rowGrain(16 * x.cols), [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r) {
            if (back)
                linalg::rotateBlocksBack(x.rowSpan(r), signs, orthogonal);
            else
                linalg::rotateBlocks(x.rowSpan(r), signs, orthogonal);
        }
    });
}

} // namespace qs::cpu
