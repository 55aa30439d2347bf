// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/gptq_solver.h"

#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/linalg/transpose.h"
#include "core/quant/rounding/gptq_plan.h"
#include "core/quant/rounding/row_stripes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace {

// State of the recursion over some rows, which do not depend on others. Matrices over weights are transposed
// to [columns in solving order, rows], so that a column is contiguous.
class Stripe {
public:
    Stripe(const GptqPlan& plan, size_t firstRow, size_t rows)
        : plan_(plan)
        , in_(plan.input())
        , options_(plan.options())
        , q_(plan.tensor())
        , firstRow_(firstRow)
        , rows_(rows)
        , vector_(in_.codec->vectorRows())
        , unit_(plan.unit()) {}

    Result<void> run(const JobContext& job) {
        const size_t n = q_.cols, block = plan_.block();
        QS_TRY(weights_, in_.backend->borrow(in_.weight.block(firstRow_, rows_, 0, n)));
        QS_TRY(update_, in_.backend->allocate(n, rows_));
        for (Tensor* t : {&original_, &weight_, &error_}) {
            QS_TRY(*t, in_.backend->allocate(block, rows_));
        }
        QS_TRY(parameters_, in_.backend->allocate(2 * block, rows_));
        QS_TRY(changes_, in_.backend->allocate(std::min(n, kNearBlocks * block), rows_));
        if (plan_.onHost()) {
            hostCodes_ = MatrixT<uint8_t>(block, rows_);
        } else {
            QS_TRY(codes_, in_.backend->allocateCodes(changes_.rows, rows_));
        }
        for (size_t first = 0, count = 0; first < n; first += count) {
            QS_CHECK(job.checkpoint());
            count = plan_.blockLength(first);
            QS_CHECK(solveBlock(first, count));
            job.report("GPTQ", double(first + count), double(n));
        }
        return takeCodes(n);
    }

private:
    /// Blocks of columns that see each other's updates at once; those behind them get the updates of all
    /// together. A product with few columns in between is as fast as memory, not as the processor.
    static constexpr size_t kNearBlocks = 4;

    /// The weights of the columns [first, first + weight.rows) as they came, and after the updates of all
    /// columns before them; `u` is R_JJ^-1 of the same columns.
    Result<void> loadWeights(size_t first, const TensorBlock& u, const TensorBlock& original,
                             const TensorBlock& weight) {
        QS_CHECK(
            in_.backend->gatherColumns(weights_, plan_.factor().activeColumns(first, weight.rows), original));
        QS_CHECK(in_.backend->copy(original, weight));
        if (first == 0) return {};
        return in_.backend->addProduct(1.0f, weight, u, TensorBlock(update_).rowsOf(first, weight.rows));
    }

    size_t nearEnd() const { return std::min(q_.cols, nearFirst_ + changes_.rows); }

    /// Updates of all columns before `first`, which begin a new row of near blocks, to those far behind.
    Result<void> updateFar(size_t first) {
        const size_t end = nearEnd(), count = first - nearFirst_;
        QS_CHECK(takeCodes(first));
        if (end < q_.cols && count > 0)
            QS_CHECK(in_.backend->addProduct(
                1.0f, TensorBlock(update_).rowsOf(end, q_.cols - end),
                TensorBlock(plan_.factor().values()).block(nearFirst_, count, end, q_.cols - end),
                TensorBlock(changes_).rowsOf(0, count)));
        nearFirst_ = first;
        return {};
    }

    /// W - W' of the block of `count` columns from `first` on.
    TensorBlock changesOf(size_t first, size_t count) const {
        return TensorBlock(changes_).rowsOf(first - nearFirst_, count);
    }

    // Within a block, segments end where a new group starts, so that its grid sees every update so far.
    Result<void> solveBlock(size_t first, size_t count) {
        if (first + count > nearEnd()) QS_CHECK(updateFar(first));
        const TensorBlock u = plan_.factor().inverseOf(first, count),
                          weight = TensorBlock(weight_).rowsOf(0, count);
        QS_CHECK(loadWeights(first, u, TensorBlock(original_).rowsOf(0, count), weight));
        for (size_t begin = 0; begin < count;) {
            size_t end = count;
            if (plan_.fitsOnTheWay()) {
                const size_t unit = (first + begin) / unit_;
                end = std::min(count, (unit + 1) * unit_ - first);
                if ((first + begin) % unit_ == 0) QS_CHECK(fit(unit * unit_, begin, count));
            }
            const size_t n = end - begin;
            QS_CHECK(solveSegment(first, begin, n));
            if (end < count)
                QS_CHECK(in_.backend->addProduct(-1.0f, weight.rowsOf(end, count - end),
                                                 u.block(begin, n, end, count - end),
                                                 TensorBlock(error_).rowsOf(begin, n)));
            begin = end;
        }
        if (first + count == q_.cols) return {};
        const size_t rest = first + count, more = nearEnd() - rest;
        if (more == 0) return {};
        return in_.backend->addProduct(1.0f, TensorBlock(update_).rowsOf(rest, more),
                                       TensorBlock(plan_.factor().values()).block(first, count, rest, more),
                                       changesOf(first, count));
    }

    /// The parameters of the unit_ columns from `column` on, which is column `begin` of the block of `count`
    /// columns. More columns than the block has start with it.
    Result<void> fit(size_t column, size_t begin, size_t count) {
        if (begin + unit_ <= count) {
            return fitOn(column, TensorBlock(weight_).rowsOf(begin, unit_));
        }
        if (column + unit_ > nearEnd()) QS_CHECK(updateFar(column));
        QS_TRY(const Tensor all, in_.backend->allocate(unit_, rows_));
        Tensor u;
        if (column > 0) {
            QS_TRY(u, plan_.factor().inverse(column, unit_));
        }
        QS_CHECK(loadWeights(column, u, all, all));
        return fitOn(column, all);
    }

    /// `unit` [unit_, rows].
    Result<void> fitOn(size_t column, const TensorBlock& unit) {
        const bool byRange = options_.range.rule == RangeRule::MinMax && in_.codec->fitColumns() == 0;
        if (byRange && options_.kept.empty() && !options_.fit) return fitRanges(column, unit);
        Matrix storage;
        QS_TRY(const ConstMatrixView weights, in_.backend->hostView(unit, storage));
        fitOn(column, weights);
        return {};
    }

    /// What RangeSearch would find, from the extreme values alone.
    Result<void> fitRanges(size_t column, const TensorBlock& unit) {
        std::vector<float> low(rows_), high(rows_);
        QS_CHECK(in_.backend->columnRanges(unit, low, high));
        const size_t group = column / q_.layout.groupSize;
        const float clip = options_.range.clip;
        linalg::parallelFor(rows_, 512, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                in_.codec->fitRange(clip * low[r], clip * high[r], q_.scale(firstRow_ + r, group),
                                    q_.zero(firstRow_ + r, group));
        });
        return {};
    }

    void fitOn(size_t column, ConstMatrixView weights) {
        const Importance all = plan_.importance(),
                         importance = all.empty() ? all : all.subspan(column, unit_);
        linalg::parallelFor(rows_, 32, [&](size_t begin, size_t end) {
            RangeSearch search(*in_.codec, options_.range);
            // Gathered a cache line of rows at a time: the columns are rows of the transposed matrix.
            constexpr size_t kRows = 16;
            std::vector<float> values(unit_ * kRows), others;
            for (size_t r0 = begin; r0 < end; r0 += kRows) {
                const size_t n = std::min(kRows, end - r0);
                for (size_t c = 0; c < unit_; ++c)
                    for (size_t r = 0; r < n; ++r)
                        values[r * unit_ + c] = weights(c, r0 + r);
                for (size_t r = 0; r < n; ++r) {
                    const std::span<float> unit(values.data() + r * unit_, unit_);
                    const size_t row = firstRow_ + r0 + r;
                    options_.kept.cover(unit, row, column);
                    if (options_.fit)
                        options_.fit(unit, q_, row, column);
                    else
                        fitUnit(*in_.codec, search, options_.range, unit,
                                withoutKept(importance, row, column, others), q_, row, column);
                }
            }
        });
    }

    /// For formats that take a statistic of their values: weights that leave what is kept without a say.
    Importance withoutKept(Importance importance, size_t row, size_t column,
                           std::vector<float>& storage) const {
        constexpr float kNothing = 1e-6f;
        if (options_.kept.empty() || in_.codec->fitColumns() == 0) return importance;
        storage.assign(unit_, 1.0f);
        std::copy(importance.begin(), importance.end(), storage.begin());
        for (size_t c = 0; c < unit_; ++c)
            if (options_.kept.at(row, column + c)) storage[c] *= kNothing;
        return storage;
    }

    /// Whether n columns are of one group.
    bool sameGroup(size_t first, size_t n) const {
        for (size_t i = 1; i < n; ++i)
            if (q_.groupOf(plan_.factor().order()[first + i]) != q_.groupOf(plan_.factor().order()[first]))
                return false;
        return true;
    }

    /// Scales of columns from `first` on, then as many rows of zero points, into `to` [2 columns, rows].
    void readParameters(size_t first, MatrixView to) const {
        const size_t n = to.rows / 2;
        for (size_t i = 0; i < n; ++i) {
            const size_t group = q_.groupOf(plan_.factor().order()[first + i]);
            for (size_t r = 0; r < rows_; ++r) {
                const size_t p = q_.parameterRow(firstRow_ + r);
                to(i, r) = q_.scale(p, group);
                to(n + i, r) = q_.zero(p, group);
            }
        }
    }

    /// The columns begin .. begin + n of the block that begins at `first`.
    Result<void> solveSegment(size_t first, size_t begin, size_t n) {
        Backend& be = *in_.backend;
        const bool shared = sameGroup(first + begin, n);
        const size_t count = shared ? 1 : n;
        const TensorBlock parameters = TensorBlock(parameters_).rowsOf(0, 2 * count);
        QS_TRY(const MatrixView host, be.hostStorage(parameters, hostParameters_));
        readParameters(first + begin, host);
        const auto spread = [&](auto rows) { // one for each column
            rows.rows = n;
            rows.stride = shared ? 0 : rows_;
            return rows;
        };
        ColumnBlock b;
        b.scale = spread(parameters.rowsOf(0, count));
        b.zero = spread(parameters.rowsOf(count, count));
        b.weight = TensorBlock(weight_).rowsOf(begin, n);
        b.original = TensorBlock(original_).rowsOf(begin, n);
        b.error = TensorBlock(error_).rowsOf(begin, n);
        b.change = changesOf(first + begin, n);
        b.factor = plan_.factor().inverseOf(first, begin + n).block(begin, n, begin, n);
        if (plan_.onHost())
            return solveOnHost(b, first, begin, spread(host.block(0, count, 0, rows_)),
                               spread(host.block(count, count, 0, rows_)));
        QS_CHECK(be.write(host, parameters));
        b.codes = codes_;
        b.firstCode = first + begin - nearFirst_;
        b.maxCode = in_.codec->levels() - 1;
        return be.gptqColumnBlock(b);
    }

    /// The codes of the columns from nearFirst_ to `end` that the backend has found.
    Result<void> takeCodes(size_t end) {
        const size_t count = end - nearFirst_;
        if (plan_.onHost() || count == 0) return {};
        return placeCodes(nearFirst_, count, [&](MatrixViewT<uint8_t> to) {
            return in_.backend->downloadTransposed(codes_, to);
        });
    }

    /// Those of `count` columns from `place` in the solving order on, which turned(to) puts into `to` [rows,
    /// count].
    template<class F>
    Result<void> placeCodes(size_t place, size_t count, const F& turned) {
        if (!options_.actOrder)
            return turned(
                MatrixViewT<uint8_t>(q_.codes.data() + firstRow_ * q_.cols + place, rows_, count, q_.cols));
        MatrixT<uint8_t> codes(rows_, count);
        QS_CHECK(turned(codes.view()));
        const uint32_t* order = plan_.factor().order().data() + place;
        linalg::parallelFor(rows_, 64, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                for (size_t i = 0; i < count; ++i)
                    q_.codes[(firstRow_ + r) * q_.cols + order[i]] = codes(r, i);
        });
        return {};
    }

    /// A ColumnBlock in host memory; `rounded` [n, rows] becomes w'.
    struct HostColumns {
        MatrixView weight, error, rounded;
        ConstMatrixView factor;
        MatrixViewT<uint8_t> codes;
        ConstMatrixView scale, zero;
    };

    /// Backend::gptqColumnBlock for grids of any kind and weights that are kept, of the columns from `begin`
    /// on of the block that begins at `first`.
    Result<void> solveOnHost(const ColumnBlock& b, size_t first, size_t begin, ConstMatrixView scale,
                             ConstMatrixView zero) {
        Backend& be = *in_.backend;
        Matrix weights, factors, originals, errors, changes;
        QS_TRY(const MatrixView weight, be.hostStorage(b.weight, weights));
        if (!weights.empty()) QS_CHECK(be.download(b.weight, weight));
        const size_t n = weight.rows;
        // Whole rows: a part of them has gaps.
        QS_TRY(const ConstMatrixView u,
               be.hostView(plan_.factor().inverses().rowsOf(first + begin, n), factors));
        QS_TRY(const ConstMatrixView original, be.hostView(b.original, originals));
        QS_TRY(const MatrixView error, be.hostStorage(b.error, errors));
        QS_TRY(const MatrixView change, be.hostStorage(b.change, changes));
        const auto codes = hostCodes_.view().block(0, n, 0, rows_);
        solveColumns({weight, error, change, u.block(0, n, begin, n), codes, scale, zero}, first + begin);
        for (size_t i = 0; i < n; ++i)
            for (size_t r = 0; r < rows_; ++r)
                change(i, r) = original(i, r) - change(i, r);
        QS_CHECK(placeCodes(first + begin, n, [&](MatrixViewT<uint8_t> to) -> Result<void> {
            linalg::transpose(MatrixViewT<const uint8_t>(codes), to);
            return {};
        }));
        QS_CHECK(be.write(error, b.error));
        return be.write(change, b.change);
    }

    void solveColumns(const HostColumns& b, size_t first) {
        const size_t grain = std::max<size_t>(1, 64 / vector_);
        linalg::parallelFor((b.weight.cols + vector_ - 1) / vector_, grain, [&](size_t from, size_t to) {
            const size_t begin = from * vector_, rows = std::min(b.weight.cols, to * vector_) - begin;
            std::vector<uint8_t> zeros(options_.zerosOfFour > 0 ? rows
                                                                : 0); // of the present four, a bit each
            for (size_t i = 0; i < b.weight.rows; ++i) {
                if ((first + i) % 4 == 0) chooseZeros(b, i, begin, zeros);
                const float *w = b.weight.row(i) + begin, inverse = 1.0f / b.factor(i, i);
                float *rounded = b.rounded.row(i) + begin, *error = b.error.row(i) + begin;
                plan_.reader().round(w, rows, b.scale.row(i) + begin, b.zero.row(i) + begin,
                                     b.codes.row(i) + begin, rounded);
                keep(plan_.factor().order()[first + i], begin, {w, rows}, rounded);
                setZeros(b, i, (first + i) % 4, begin, zeros);
                for (size_t r = 0; r < rows; ++r)
                    error[r] = (w[r] - rounded[r]) * inverse;
                for (size_t k = i + 1; k < b.weight.rows; ++k) {
                    float* later = b.weight.row(k) + begin;
                    const float u = b.factor(i, k);
                    for (size_t r = 0; r < rows; ++r)
                        later[r] -= u * error[r];
                }
            }
        });
    }

    /// Of the columns i .. i + 3 of the block, for the rows from `begin` on, those that become 0.
    void chooseZeros(const HostColumns& b, size_t i, size_t begin, std::span<uint8_t> zeros) const {
        for (size_t r = 0; r < zeros.size(); ++r) {
            std::array<std::pair<float, int>, 4> costs;
            for (int k = 0; k < 4; ++k) {
                const size_t column = i + size_t(k);
                costs[size_t(k)] = {std::fabs(b.weight(column, begin + r) / b.factor(column, column)), k};
            }
            std::sort(costs.begin(), costs.end());
            zeros[r] = 0;
            for (int k = 0; k < options_.zerosOfFour; ++k)
                zeros[r] |= uint8_t(1 << costs[size_t(k)].second);
        }
    }

    /// Column i of the block, which is number `ofFour` of its four.
    void setZeros(const HostColumns& b, size_t i, size_t ofFour, size_t begin,
                  std::span<const uint8_t> zeros) const {
        const float zero = 0;
        for (size_t r = 0; r < zeros.size(); ++r)
            if (zeros[r] >> ofFour & 1)
                plan_.reader().round(&zero, 1, &b.scale(i, begin + r), &b.zero(i, begin + r),
                                     &b.codes(i, begin + r), &b.rounded(i, begin + r));
    }

    /// Weights of the rows from `begin` of the stripe on of one column that keep their values.
    void keep(size_t column, size_t begin, std::span<const float> weights, float* rounded) {
        if (options_.kept.empty()) return;
        KeptWeights& kept = q_.extras.kept;
        for (size_t r = 0; r < weights.size(); ++r) {
            const size_t row = firstRow_ + begin + r;
            if (!options_.kept.at(row, column)) continue;
            rounded[r] =
                kept.scale.empty() ? keptValue(weights[r]) : keptInteger(weights[r], kept.scale[row]);
            kept.at(row, column) = rounded[r];
        }
    }

    const GptqPlan& plan_;
    const QuantizeInput& in_;
    const GptqOptions& options_;
    QuantizedTensor& q_;
    size_t firstRow_, rows_;
    size_t vector_;                    ///< rows that are rounded together
    size_t unit_;                      ///< columns that are fitted together
    TensorBlock weights_;              ///< W, [rows, cols]
    Tensor update_;                    ///< (W - W') R of the columns solved so far, up to nearEnd()
    Tensor original_, weight_, error_; ///< of the present block
    Tensor parameters_;                ///< scales, then zero points of the present columns
    Matrix hostParameters_;
    Tensor changes_;       ///< W - W' of the near blocks
    size_t nearFirst_ = 0; ///< where these begin
    CodeTensor codes_;     ///< of the near blocks, where the backend solves them
    MatrixT<uint8_t> hostCodes_;
};

Result<void> solve(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q,
                   const JobContext& job) {
    QS_TRY(const GptqPlan plan, GptqPlan::make(input, options, q, job));
    return forRowStripes(q.rows, input.codec->vectorRows(), *input.backend, job,
                         [&](size_t first, size_t rows, const JobContext& stripe) {
                             return Stripe(plan, first, rows).run(stripe);
                         });
}

} // namespace

Result<void> solveGptq(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q,
                       const JobContext& job) {
    auto done = solve(input, options, q, job);
    if (done || done.error().code != ErrorCode::OutOfMemory || input.backend->inMainMemory()) return done;
    // The device has too little memory for the layer, and has noted so: main memory is larger.
    const auto cpu = makeCpuBackend(linalg::threads());
    QuantizeInput again = input;
    again.backend = cpu.get();
    return solve(again, options, q, job);
}

Result<std::vector<double>> gptqErrorCosts(const MatrixD& sigma, const GptqOptions& options,
                                           Backend& backend) {
    QS_TRY(const GptqFactor factor, GptqFactor::make(sigma, options.actOrder, options.damping, backend));
    return factor.errorCosts();
}

} // namespace qs
