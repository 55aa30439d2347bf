// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/gptq_solver.h"

#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/linalg/transpose.h"
#include "core/quant/quantize_common.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <tuple>

namespace qs {

namespace {

std::vector<size_t> columnOrder(const MatrixD& sigma, bool actOrder) {
    std::vector<size_t> order(sigma.rows());
    std::iota(order.begin(), order.end(), size_t(0));
    if (actOrder)
        std::stable_sort(order.begin(), order.end(),
                         [&](size_t a, size_t b) { return sigma(a, a) > sigma(b, b); });
    return order;
}

// R in the solving order. Inputs that never fire (zero row and column) get the mean as their diagonal: they
// neither give nor take updates.
Result<MatrixD> factor(const MatrixD& sigma, const std::vector<size_t>& order, double damping,
                       Backend& backend) {
    const size_t n = order.size();
    double trace = 0;
    for (size_t i = 0; i < n; ++i) {
        if (!std::isfinite(sigma(i, i)) || sigma(i, i) < 0)
            return Error::invalid(fmt::format("diagonal entry {} of Sigma is {}", i, sigma(i, i)));
        trace += sigma(i, i);
    }
    const double mean = trace > 0 ? trace / double(n) : 1.0;
    for (double tried = damping;; tried *= 10) {
        MatrixD h(n, n);
        linalg::parallelFor(n, 16, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                for (size_t c = 0; c < n; ++c)
                    h(r, c) = sigma(order[r], order[c]);
        });
        for (size_t i = 0; i < n; ++i)
            h(i, i) = (h(i, i) == 0 ? mean : h(i, i)) + tried * mean;
        auto r = backend.upperFactor(std::move(h));
        if (r || r.error().code != ErrorCode::Backend || tried >= 1.0) return r;
    }
}

// State of one solve. Matrices over weights are transposed to [columns in solving order, rows], so that a
// column is contiguous.
class Solver {
public:
    Solver(const QuantizeInput& in, const GptqOptions& options, QuantizedTensor& q)
        : in_(in)
        , options_(options)
        , q_(q)
        , order_(columnOrder(*in.sigma, options.actOrder))
        , vector_(in.codec->vectorRows())
        , unit_(fittedTogether(*in.codec, q.layout))
        ,
        // One scale for all rows, and static groups, are fitted once on the original weights.
        fitOnTheWay_(!options.actOrder && q.layout.scaleRows == q.rows && q.layout.blockRows == 1) {}

    Result<void> run(const JobContext& job) {
        QS_TRY(factor_, factor(*in_.sigma, order_, options_.damping, *in_.backend));
        QS_CHECK(job.checkpoint());
        QS_CHECK(narrowFactor());
        weighInputs();
        q_.extras.kept = options_.kept.places();
        if (options_.keptInt8) scaleKept(in_.weight, q_.extras.kept);
        if (!options_.prepared && (fitOnTheWay_ || options_.fit))
            in_.codec->prepareParameters(in_.weight, importance_, q_);
        if (!fitOnTheWay_) fitStatic();
        reader_.emplace(*in_.codec, q_);
        const size_t n = q_.cols;
        const size_t block = std::min(options_.blockSize, n);
        QS_TRY(update_, in_.backend->allocate(q_.cols, q_.rows));
        for (Tensor* t : {&original_, &weight_, &error_}) {
            QS_TRY(*t, in_.backend->allocate(block, q_.rows));
        }
        QS_TRY(changes_, in_.backend->allocate(std::min(n, kNearBlocks * block), q_.rows));
        codes_ = MatrixT<uint8_t>(block, q_.rows);
        scale_ = Matrix(block, q_.rows);
        zero_ = Matrix(block, q_.rows);
        for (size_t first = 0, count = 0; first < n; first += count) {
            QS_CHECK(job.checkpoint());
            count = blockLength(first, block);
            QS_CHECK(solveBlock(first, count));
            job.report("GPTQ", double(first + count), double(n));
        }
        return {};
    }

private:
    /// Blocks of columns that see each other's updates at once; those behind them get the updates of all
    /// together. A product with few columns in between is as fast as memory, not as the processor.
    static constexpr size_t kNearBlocks = 4;

    // Super-blocks and tables leave room for a choice that the inputs can weigh. The grids of the others are
    // fitted as in the published code.
    void weighInputs() {
        const bool superBlocks = in_.codec->fitColumns() > 0 && options_.range.rule == RangeRule::Mse;
        if (!superBlocks && in_.codec->hasLevels()) return;
        importance_ = importanceOf(*in_.sigma);
    }

    // Columns that are fitted together and start inside a block must not reach beyond it: the later ones
    // would be fitted without this block's updates.
    size_t blockLength(size_t first, size_t block) const {
        const size_t count = std::min(block, q_.cols - first);
        if (!fitOnTheWay_) return count;
        const size_t lastUnit = (first + count - 1) / unit_ * unit_;
        return lastUnit > first && lastUnit + unit_ > first + count ? lastUnit - first : count;
    }

    /// The columns [first, first + out.rows) as they came. From the weights each time: another copy of all of
    /// them would cost more than it saves.
    void originalWeights(size_t first, MatrixView out) const {
        constexpr size_t kRows = 16; // a cache line of the transposed columns
        if (!options_.actOrder)
            linalg::transpose(in_.weight.block(0, q_.rows, first, out.rows), out);
        else
            linalg::parallelFor((q_.rows + kRows - 1) / kRows, 4, [&](size_t begin, size_t end) {
                for (size_t r0 = begin * kRows; r0 < std::min(q_.rows, end * kRows); r0 += kRows)
                    for (size_t c = 0; c < out.rows; ++c)
                        for (size_t r = r0; r < std::min(q_.rows, r0 + kRows); ++r)
                            out(c, r) = in_.weight(r, order_[first + c]);
            });
        // An input that was never active has no evidence for any value: 0 is the cheapest. As the published
        // code does.
        for (size_t c = 0; c < out.rows; ++c)
            if ((*in_.sigma)(order_[first + c], order_[first + c]) == 0)
                std::fill_n(out.row(c), q_.rows, 0.0f);
    }

    /// R in float32 for the products.
    Result<void> narrowFactor() {
        const size_t n = q_.cols;
        QS_TRY(factorF_, in_.backend->allocate(n, n));
        Matrix storage;
        QS_TRY(const MatrixView to, in_.backend->hostStorage(factorF_, storage));
        linalg::parallelFor(n, 16, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                std::transform(factor_.row(r) + r, factor_.row(r) + n, to.row(r) + r,
                               [](double v) { return float(v); });
        });
        return in_.backend->write(to, factorF_);
    }

    /// U of the columns [first, first + n): the inverse of that block of R.
    Result<Tensor> inverseBlock(size_t first, size_t n) const {
        MatrixD lower(n, n); // rows and columns in reverse
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j <= i; ++j)
                lower(i, j) = factor_(first + n - 1 - i, first + n - 1 - j);
        QS_CHECK(linalg::invertLower(lower.view()));
        Matrix u(n, n);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = i; j < n; ++j)
                u(i, j) = float(lower(n - 1 - i, n - 1 - j));
        Tensor t;
        QS_CHECK(in_.backend->upload(u.view(), t));
        return t;
    }

    /// The weights of the columns [first, first + weight.rows) as they came, and after the updates of all
    /// columns before them; `u` is inverseBlock of the same columns.
    Result<void> loadWeights(size_t first, const Tensor& u, const TensorBlock& original,
                             const TensorBlock& weight) {
        QS_TRY(const MatrixView host, in_.backend->hostStorage(original, originalHost_));
        originalWeights(first, host);
        QS_CHECK(in_.backend->write(host, original));
        QS_CHECK(in_.backend->write(host, weight));
        if (first == 0) return {};
        return in_.backend->addProduct(1.0f, weight, u, TensorBlock(update_).rowsOf(first, weight.rows));
    }

    size_t nearEnd() const { return std::min(q_.cols, nearFirst_ + changes_.rows); }

    /// Updates of all columns before `first`, which begin a new row of near blocks, to those far behind.
    Result<void> updateFar(size_t first) {
        const size_t end = nearEnd(), count = first - nearFirst_;
        if (end < q_.cols && count > 0)
            QS_CHECK(
                in_.backend->addProduct(1.0f, TensorBlock(update_).rowsOf(end, q_.cols - end),
                                        TensorBlock(factorF_).block(nearFirst_, count, end, q_.cols - end),
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
        QS_TRY(u_, inverseBlock(first, count));
        const TensorBlock weight = TensorBlock(weight_).rowsOf(0, count);
        QS_CHECK(loadWeights(first, u_, TensorBlock(original_).rowsOf(0, count), weight));
        for (size_t begin = 0; begin < count;) {
            size_t end = count;
            if (fitOnTheWay_) {
                const size_t unit = (first + begin) / unit_;
                end = std::min(count, (unit + 1) * unit_ - first);
                if ((first + begin) % unit_ == 0) QS_CHECK(fit(unit * unit_, begin, count));
            }
            const size_t n = end - begin;
            QS_CHECK(solveSegment(first, begin, n));
            if (end < count)
                QS_CHECK(in_.backend->addProduct(-1.0f, weight.rowsOf(end, count - end),
                                                 TensorBlock(u_).block(begin, n, end, count - end),
                                                 TensorBlock(error_).rowsOf(begin, n)));
            begin = end;
        }
        if (first + count == q_.cols) return {};
        const size_t rest = first + count, more = nearEnd() - rest;
        if (more == 0) return {};
        return in_.backend->addProduct(1.0f, TensorBlock(update_).rowsOf(rest, more),
                                       TensorBlock(factorF_).block(first, count, rest, more),
                                       changesOf(first, count));
    }

    /// All parameters, on the original weights.
    void fitStatic() {
        const ConstMatrixView weight = coveredWeights(in_.weight, options_.kept, unit_, covered_);
        if (!options_.fit) return fitGroups(*in_.codec, options_.range, weight, q_, importance_);
        for (size_t r = 0; r < q_.layout.scaleRows; ++r)
            for (size_t c = 0; c < q_.cols; c += unit_)
                options_.fit({weight.row(r) + c, unit_}, q_, r, c);
    }

    /// The parameters of the unit_ columns from `column` on, which is column `begin` of the block of `count`
    /// columns. More columns than the block has start with it.
    Result<void> fit(size_t column, size_t begin, size_t count) {
        if (begin + unit_ <= count) {
            return fitOn(column, TensorBlock(weight_).rowsOf(begin, unit_));
        }
        if (column + unit_ > nearEnd()) QS_CHECK(updateFar(column));
        QS_TRY(const Tensor all, in_.backend->allocate(unit_, q_.rows));
        Tensor u;
        if (column > 0) {
            QS_TRY(u, inverseBlock(column, unit_));
        }
        QS_CHECK(loadWeights(column, u, all, all));
        return fitOn(column, all);
    }

    /// `unit` [unit_, rows].
    Result<void> fitOn(size_t column, const TensorBlock& unit) {
        Matrix storage;
        QS_TRY(const ConstMatrixView weights, in_.backend->hostView(unit, storage));
        fitOn(column, weights);
        return {};
    }

    void fitOn(size_t column, ConstMatrixView weights) {
        const Importance importance =
            importance_.empty() ? Importance() : Importance(importance_).subspan(column, unit_);
        linalg::parallelFor(q_.rows, 32, [&](size_t begin, size_t end) {
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
                    options_.kept.cover(unit, r0 + r, column);
                    if (options_.fit)
                        options_.fit(unit, q_, r0 + r, column);
                    else
                        fitUnit(*in_.codec, search, options_.range, unit,
                                withoutKept(importance, r0 + r, column, others), q_, r0 + r, column);
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

    /// Scales and zero points of n columns; where those are of one group, one row that stands for all.
    std::pair<ConstMatrixView, ConstMatrixView> readParameters(size_t first, size_t begin, size_t n) {
        const auto groupAt = [&](size_t i) { return q_.groupOf(order_[first + begin + i]); };
        bool same = true;
        for (size_t i = 1; i < n && same; ++i)
            same = groupAt(i) == groupAt(0);
        for (size_t i = 0; i < (same ? 1 : n); ++i) {
            const size_t group = groupAt(i);
            for (size_t r = 0; r < q_.rows; ++r) {
                const size_t p = q_.parameterRow(r);
                scale_(begin + i, r) = q_.scale(p, group);
                zero_(begin + i, r) = q_.zero(p, group);
            }
        }
        const size_t stride = same ? 0 : q_.rows;
        return {ConstMatrixView(scale_.row(begin), n, q_.rows, stride),
                ConstMatrixView(zero_.row(begin), n, q_.rows, stride)};
    }

    Result<void> solveSegment(size_t first, size_t begin, size_t n) {
        ColumnBlock b;
        std::tie(b.scale, b.zero) = readParameters(first, begin, n);
        b.weight = TensorBlock(weight_).rowsOf(begin, n);
        b.original = TensorBlock(original_).rowsOf(begin, n);
        b.error = TensorBlock(error_).rowsOf(begin, n);
        b.change = changesOf(first + begin, n);
        b.factor = TensorBlock(u_).block(begin, n, begin, n);
        b.codes = codes_.view().block(begin, n, 0, q_.rows);
        b.maxCode = in_.codec->levels() - 1;
        if (in_.codec->isIntegerGrid() && options_.kept.empty() && options_.zerosOfFour == 0)
            QS_CHECK(in_.backend->gptqColumnBlock(b));
        else
            QS_CHECK(solveOnHost(b, first + begin));
        writeCodes(first + begin, std::as_const(codes_).view().block(begin, n, 0, q_.rows));
        return {};
    }

    /// Of the columns from `place` in the solving order on, `codes` [columns, rows].
    void writeCodes(size_t place, MatrixViewT<const uint8_t> codes) {
        if (!options_.actOrder)
            return linalg::transpose(
                codes, MatrixViewT<uint8_t>(q_.codes.data() + place, q_.rows, codes.rows, q_.cols));
        linalg::parallelFor(q_.rows, 64, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                for (size_t i = 0; i < codes.rows; ++i)
                    q_.codes[r * q_.cols + order_[place + i]] = codes(i, r);
        });
    }

    /// A ColumnBlock in host memory; `rounded` [n, rows] becomes w'.
    struct HostColumns {
        MatrixView weight, error, rounded;
        ConstMatrixView factor;
        MatrixViewT<uint8_t> codes;
        ConstMatrixView scale, zero;
    };

    /// Backend::gptqColumnBlock for grids of any kind and weights that are kept; `first` is the place of the
    /// block in the solving order.
    Result<void> solveOnHost(const ColumnBlock& b, size_t first) {
        Backend& be = *in_.backend;
        Matrix weights, factors, originals, errors, changes;
        QS_TRY(const MatrixView weight, be.hostStorage(b.weight, weights));
        if (!weights.empty()) QS_CHECK(be.download(b.weight, weight));
        // The block's own part of u_ has gaps.
        QS_TRY(const ConstMatrixView u, be.hostView(u_, factors));
        QS_TRY(const ConstMatrixView original, be.hostView(b.original, originals));
        QS_TRY(const MatrixView error, be.hostStorage(b.error, errors));
        QS_TRY(const MatrixView change, be.hostStorage(b.change, changes));
        const size_t n = weight.rows, begin = b.factor.offset / u_.cols;
        solveColumns({weight, error, change, u.block(begin, n, begin, n), b.codes, b.scale, b.zero}, first);
        for (size_t i = 0; i < n; ++i)
            for (size_t r = 0; r < q_.rows; ++r)
                change(i, r) = original(i, r) - change(i, r);
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
                (*reader_)->round(w, rows, b.scale.row(i) + begin, b.zero.row(i) + begin,
                                  b.codes.row(i) + begin, rounded);
                keep(order_[first + i], begin, {w, rows}, rounded);
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
                (*reader_)->round(&zero, 1, &b.scale(i, begin + r), &b.zero(i, begin + r),
                                  &b.codes(i, begin + r), &b.rounded(i, begin + r));
    }

    /// Weights of the rows from `begin` on of one column that keep their values.
    void keep(size_t column, size_t begin, std::span<const float> weights, float* rounded) {
        if (options_.kept.empty()) return;
        KeptWeights& kept = q_.extras.kept;
        for (size_t r = 0; r < weights.size(); ++r) {
            const size_t row = begin + r;
            if (!options_.kept.at(row, column)) continue;
            rounded[r] =
                kept.scale.empty() ? keptValue(weights[r]) : keptInteger(weights[r], kept.scale[row]);
            kept.at(row, column) = rounded[r];
        }
    }

    const QuantizeInput& in_;
    const GptqOptions& options_;
    QuantizedTensor& q_;
    std::vector<size_t> order_;
    MatrixD factor_; ///< R
    Tensor factorF_; ///< R in float32
    Matrix covered_; ///< W for the fit of static groups, when weights are kept
    Tensor update_;  ///< (W - W') R of the columns solved so far, up to nearEnd()
    std::optional<TensorCodec> reader_;
    size_t vector_;                        ///< rows that are rounded together
    Tensor u_, original_, weight_, error_; ///< of the present block
    Matrix originalHost_;
    Matrix scale_, zero_;
    Tensor changes_;       ///< W - W' of the near blocks
    size_t nearFirst_ = 0; ///< where these begin
    MatrixT<uint8_t> codes_;
    std::vector<float> importance_;
    size_t unit_; ///< columns that are fitted together
    bool fitOnTheWay_;
};

} // namespace

Result<void> solveGptq(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q,
                       const JobContext& job) {
    auto done = Solver(input, options, q).run(job);
    if (done || done.error().code != ErrorCode::OutOfMemory || input.backend->id() == "cpu") return done;
    // The device has too little memory for the layer, and has noted so: main memory is larger.
    const auto cpu = makeCpuBackend(linalg::threads());
    QuantizeInput again = input;
    again.backend = cpu.get();
    return Solver(again, options, q).run(job);
}

Result<std::vector<double>> gptqErrorCosts(const MatrixD& sigma, const GptqOptions& options,
                                           Backend& backend) {
    const std::vector<size_t> order = columnOrder(sigma, options.actOrder);
    QS_TRY(const MatrixD r, factor(sigma, order, options.damping, backend));
    std::vector<double> cost(order.size());
    for (size_t i = 0; i < order.size(); ++i)
        cost[order[i]] = r(i, i) * r(i, i);
    return cost;
}

} // namespace qs
