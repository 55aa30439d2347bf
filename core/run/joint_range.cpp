// SPDX-License-Identifier: Apache-2.0
#include "core/run/joint_range.h"

#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/quant/quantize_common.h"
#include "core/quant/range/row_ranges.h"
#include "core/recipe/plan_rules.h"

#include <cmath>

namespace qs {

namespace {

constexpr int kRounds = 3;

/// One split of the bits of inputs and weights.
class JointSearch {
public:
    JointSearch(const InputScheme& inputs, std::string format, ConstMatrixView x, ConstMatrixView w,
                const Matrix& target, const JobContext& job)
        : inputs_(inputs)
        , x_(x)
        , w_(w)
        , target_(target)
        , job_(job)
        , roundedX_(x.rows, x.cols)
        , triedX_(x.rows, x.cols)
        , roundedW_(w.rows, w.cols)
        , triedW_(w.rows, w.cols)
        , output_(x.rows, w.rows) {
        found_.inputs.format = std::move(format);
        found_.shares.assign(w.rows, 1.0f);
    }

    Result<JointRange> run(std::shared_ptr<const Codec> weights) {
        found_.weights = weights;
        auto ranges = RowRanges::make(weights, w_);
        if (ranges) {
            ranges->round(found_.shares, roundedW_.view());
        } else { // a format without ranges of rows: nearest codes
            QS_TRY(const QuantizedTensor q, quantizeToNearest(w_, *weights, {}, job_));
            roundedW_ = weights->dequantize(q);
        }
        QS_CHECK(roundX(1, roundedX_));
        for (int round = 0; round < kRounds; ++round) {
            if (ranges) QS_CHECK(searchRows(*ranges));
            const float before = found_.inputs.adjust.range;
            QS_CHECK(searchInputs());
            if (found_.inputs.adjust.range == before) break; // further rounds would choose the same
        }
        return std::move(found_);
    }

private:
    Result<void> roundX(float range, Matrix& out) const {
        RowChoice choice = found_.inputs;
        choice.adjust.range = range;
        QS_TRY(const auto rounder, rounderOf(inputs_, &choice));
        for (size_t r = 0; r < x_.rows; ++r)
            std::copy_n(x_.row(r), x_.cols, out.row(r));
        return rounder->round(out.view());
    }

    /// Squared errors of the outputs, [out].
    std::vector<double> errors(const Matrix& x, const Matrix& w) {
        linalg::gemm(false, true, 1.0f, x.view(), w.view(), 0.0f, output_.view());
        std::vector<double> out(w.rows());
        for (size_t t = 0; t < output_.rows(); ++t)
            for (size_t r = 0; r < out.size(); ++r) {
                const double e = double(output_(t, r)) - double(target_(t, r));
                out[r] += e * e;
            }
        return out;
    }

    Result<void> searchRows(const RowRanges& ranges) {
        std::vector<double> least(w_.rows, INFINITY);
        for (const float share : rangeShares()) {
            QS_CHECK(job_.checkpoint());
            ranges.round({&share, 1}, triedW_.view());
            const std::vector<double> own = errors(roundedX_, triedW_);
            for (size_t r = 0; r < own.size(); ++r) {
                if (!(own[r] < least[r])) continue;
                least[r] = own[r];
                found_.shares[r] = share;
            }
        }
        ranges.round(found_.shares, roundedW_.view());
        return {};
    }

    Result<void> searchInputs() {
        found_.error = INFINITY;
        float best = 1;
        for (const float share : rangeShares()) {
            QS_CHECK(job_.checkpoint());
            QS_CHECK(roundX(share, triedX_));
            double sum = 0;
            for (const double e : errors(triedX_, roundedW_))
                sum += e;
            if (!(sum < found_.error)) continue;
            found_.error = sum;
            best = share;
        }
        found_.inputs.adjust.range = best;
        return roundX(best, roundedX_);
    }

    const InputScheme& inputs_;
    ConstMatrixView x_, w_;
    const Matrix& target_;
    const JobContext& job_;
    Matrix roundedX_, triedX_, roundedW_, triedW_, output_;
    JointRange found_;
};

} // namespace

Result<JointRange> searchJointRange(const InputScheme& inputs, const Codec& weights, ConstMatrixView x,
                                    ConstMatrixView w, const JobContext& job) {
    Matrix target(x.rows, w.rows);
    linalg::gemm(false, true, 1.0f, x, w, 0.0f, target.view());
    QS_TRY(const auto inputCodec, createCodec(inputs.codec, inputs.codecParams));
    QS_TRY(const auto inputFormats, formatsOfSameBits(*inputCodec));
    QS_TRY(const auto weightFormats, formatsOfSameBits(weights));
    // Splits side by side: one product alone is too small to share.
    std::vector<Result<JointRange>> found;
    for (size_t i = 0; i < weightFormats.size() * inputFormats.size(); ++i)
        found.emplace_back(Error::internal("not searched"));
    linalg::parallelFor(found.size(), 1, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            const auto& tokens = inputFormats[i % inputFormats.size()];
            JointSearch search(inputs, tokens->params().choice("format"), x, w, target, job);
            found[i] = search.run(weightFormats[i / inputFormats.size()]);
        }
    });
    JointRange best;
    best.error = INFINITY;
    for (Result<JointRange>& own : found) {
        if (!own) return own.takeError();
        if (own->error < best.error) best = std::move(*own);
    }
    if (!best.weights) return Error::invalid("no range of the inputs gives finite outputs");
    return best;
}

} // namespace qs
