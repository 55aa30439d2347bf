// SPDX-License-Identifier: Apache-2.0
#include "core/quant/rounding/gptq_solver.h"

#include "core/linalg/parallel.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

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

// U as float32 in the solving order. Inputs that never fire (zero diagonal) get a unit diagonal: they neither
// give nor take updates.
Result<Matrix> factor(const MatrixD& sigma, const std::vector<size_t>& order, double damping,
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
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < n; ++c)
                h(r, c) = sigma(order[r], order[c]);
        for (size_t i = 0; i < n; ++i)
            h(i, i) = (h(i, i) == 0 ? mean : h(i, i)) + tried * mean;
        auto u = backend.inverseFactor(std::move(h));
        if (!u) {
            if (u.error().code != ErrorCode::Backend || tried >= 1.0) return u.takeError();
            continue;
        }
        Matrix out(n, n);
        for (size_t i = 0; i < out.size(); ++i)
            out.data()[i] = float(u->data()[i]);
        return out;
    }
}

// State of one solve: weights transposed to [columns in solving order, rows], so that a column is contiguous.
class Solver {
public:
    Solver(const QuantizeInput& in, const GptqOptions& options, QuantizedTensor& q)
        : in_(in)
        , options_(options)
        , q_(q)
        , order_(columnOrder(*in.sigma, options.actOrder))
        , weight_(q.cols, q.rows)
        ,
        // One scale for all rows, and static groups, are fitted once on the original weights.
        fitOnTheWay_(!options.actOrder && q.layout.scaleRows == q.rows) {}

    Result<void> run(const JobContext& job) {
        QS_TRY(factor_, factor(*in_.sigma, order_, options_.damping, *in_.backend));
        QS_CHECK(job.checkpoint());
        transposeWeights();
        if (fitOnTheWay_) {
            q_.scale = Matrix(q_.layout.scaleRows, q_.layout.groups);
            q_.zero = Matrix(q_.layout.scaleRows, q_.layout.groups);
        } else {
            fitGroups(*in_.codec, options_.range, in_.weight, q_);
        }
        const size_t n = q_.cols;
        const size_t block = std::min(options_.blockSize, n);
        error_ = Matrix(block, q_.rows);
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
    // A group that starts inside a block must not reach beyond it: its later columns would be fitted without
    // this block's updates.
    size_t blockLength(size_t first, size_t block) const {
        const size_t count = std::min(block, q_.cols - first), size = q_.layout.groupSize;
        if (!fitOnTheWay_) return count;
        const size_t lastGroup = (first + count - 1) / size * size;
        return lastGroup > first && lastGroup + size > first + count ? lastGroup - first : count;
    }

    void transposeWeights() {
        constexpr size_t kTile = 64;
        linalg::parallelFor(q_.cols, kTile, [&](size_t begin, size_t end) {
            for (size_t r0 = 0; r0 < q_.rows; r0 += kTile)
                for (size_t c = begin; c < end; ++c)
                    for (size_t r = r0; r < std::min(q_.rows, r0 + kTile); ++r)
                        weight_(c, r) = in_.weight(r, order_[c]);
        });
        // An input that was never active has no evidence for any value: 0 is the cheapest. As the published
        // code does.
        for (size_t c = 0; c < q_.cols; ++c)
            if ((*in_.sigma)(order_[c], order_[c]) == 0) std::fill_n(weight_.row(c), q_.rows, 0.0f);
    }

    // Within a block, segments end where a new group starts, so that its grid sees every update so far.
    Result<void> solveBlock(size_t first, size_t count) {
        for (size_t begin = 0; begin < count;) {
            size_t end = count;
            if (fitOnTheWay_) {
                const size_t group = (first + begin) / q_.layout.groupSize;
                end = std::min(count, (group + 1) * q_.layout.groupSize - first);
                if ((first + begin) % q_.layout.groupSize == 0) fitGroup(group);
            }
            QS_CHECK(solveSegment(first, begin, end - begin));
            if (end < count) QS_CHECK(propagate(first, begin, end - begin, first + end, count - end));
            begin = end;
        }
        const size_t rest = first + count;
        return rest < q_.cols ? propagate(first, 0, count, rest, q_.cols - rest) : Result<void>();
    }

    // weight columns [to, to + toCount) -= U[from.., to..]^T * errors of the block's columns [begin, begin +
    // n).
    Result<void> propagate(size_t first, size_t begin, size_t n, size_t to, size_t toCount) {
        return in_.backend->subtractProduct(weight_.view().block(to, toCount, 0, q_.rows),
                                            factor_.view().block(first + begin, n, to, toCount),
                                            error_.view().block(begin, n, 0, q_.rows));
    }

    void fitGroup(size_t group) {
        const size_t first = group * q_.layout.groupSize, size = q_.layout.groupSize;
        linalg::parallelFor(q_.rows, 32, [&](size_t begin, size_t end) {
            RangeSearch search(*in_.codec, options_.range);
            // Gathered a cache line of rows at a time: the columns are rows of the transposed matrix.
            constexpr size_t kRows = 16;
            std::vector<float> values(size * kRows);
            for (size_t r0 = begin; r0 < end; r0 += kRows) {
                const size_t n = std::min(kRows, end - r0);
                for (size_t c = 0; c < size; ++c)
                    for (size_t r = 0; r < n; ++r)
                        values[r * size + c] = weight_(first + c, r0 + r);
                for (size_t r = 0; r < n; ++r)
                    search.fit({values.data() + r * size, size}, q_.scale(r0 + r, group),
                               q_.zero(r0 + r, group));
            }
        });
    }

    Result<void> solveSegment(size_t first, size_t begin, size_t n) {
        for (size_t i = 0; i < n; ++i) {
            const size_t group = q_.groupOf(order_[first + begin + i]);
            if (i > 0 &&
                group == q_.groupOf(order_[first + begin + i - 1])) { // columns are read once per group
                std::copy_n(scale_.row(begin + i - 1), q_.rows, scale_.row(begin + i));
                std::copy_n(zero_.row(begin + i - 1), q_.rows, zero_.row(begin + i));
                continue;
            }
            for (size_t r = 0; r < q_.rows; ++r) {
                const size_t p = q_.layout.scaleRows == 1 ? 0 : r;
                scale_(begin + i, r) = q_.scale(p, group);
                zero_(begin + i, r) = q_.zero(p, group);
            }
        }
        ColumnBlock b;
        b.weight = weight_.view().block(first + begin, n, 0, q_.rows);
        b.error = error_.view().block(begin, n, 0, q_.rows);
        b.factor = factor_.view().block(first + begin, n, first + begin, n);
        b.codes = codes_.view().block(begin, n, 0, q_.rows);
        b.scale = scale_.view().block(begin, n, 0, q_.rows);
        b.zero = zero_.view().block(begin, n, 0, q_.rows);
        b.maxCode = in_.codec->levels() - 1;
        QS_CHECK(in_.backend->gptqColumnBlock(b));
        constexpr size_t kTile = 64;
        linalg::parallelFor(q_.rows, kTile, [&](size_t r0, size_t r1) {
            for (size_t r = r0; r < r1; ++r)
                for (size_t i = 0; i < n; ++i)
                    q_.codes[r * q_.cols + order_[first + begin + i]] = codes_(begin + i, r);
        });
        return {};
    }

    const QuantizeInput& in_;
    const GptqOptions& options_;
    QuantizedTensor& q_;
    std::vector<size_t> order_;
    Matrix weight_, factor_, error_, scale_, zero_;
    MatrixT<uint8_t> codes_;
    bool fitOnTheWay_;
};

} // namespace

Result<void> solveGptq(const QuantizeInput& input, const GptqOptions& options, QuantizedTensor& q,
                       const JobContext& job) {
    return Solver(input, options, q).run(job);
}

} // namespace qs
