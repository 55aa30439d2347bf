// SPDX-License-Identifier: Apache-2.0
// AWQ's clipping: every group takes that share of its range, 1, 0.975, ..., 0.525, with the least error of
// what the group adds to the outputs, e Sigma_gg e^T with Sigma's block of the group's inputs. The published
// search has half as many shares, of ranges symmetric about 0, and estimates the error from 512 tokens.
#include "core/linalg/blas.h"
#include "core/quant/quantize_common.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr int kShares = 20;
constexpr float kLeastShare = 0.5f;

/// Loss of every group, [scaleRows, groups], of values off by `error` [rows, cols].
MatrixD groupLosses(const Matrix& error, const MatrixD& sigma, const QuantizedTensor& q) {
    MatrixD out(q.layout.scaleRows, q.layout.groups);
    for (size_t g = 0; g < q.layout.groups; ++g) {
        const size_t first = g * q.layout.groupSize, n = std::min(q.layout.groupSize, q.cols - first);
        Matrix block(n, n), product(q.rows, n);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                block(i, j) = float(sigma(first + i, first + j));
        const ConstMatrixView own = error.view().block(0, q.rows, first, n);
        linalg::gemm(false, false, 1.0f, own, block.view(), 0.0f, product.view());
        for (size_t r = 0; r < q.rows; ++r)
            for (size_t c = 0; c < n; ++c)
                out(q.parameterRow(r), g) += double(own(r, c)) * double(product(r, c));
    }
    return out;
}

/// Groups of `from` that lose less than `least` so far go into `to`.
void takeBetter(const QuantizedTensor& from, const MatrixD& losses, QuantizedTensor& to, MatrixD& least) {
    for (size_t p = 0; p < losses.rows(); ++p)
        for (size_t g = 0; g < losses.cols(); ++g) {
            if (!(losses(p, g) < least(p, g))) continue;
            least(p, g) = losses(p, g);
            to.scale(p, g) = from.scale(p, g);
            to.zero(p, g) = from.zero(p, g);
        }
}

Result<void> checkFormat(const Codec& codec, const QuantizedTensor& q) {
    if (codec.fitColumns() == 0 && codec.hasLevels() && q.superScale.empty() && q.tables.empty()) return {};
    return Error::invalid(codec.label() +
                          " has no range for each of its groups to clip: the method goes with "
                          "integers, floats and other grids with a scale a group");
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    double top = 0; // the unit of losses, so that they are no float's largest
    for (size_t c = 0; c < q.cols; ++c)
        top = std::max(top, (*in.sigma)(c, c));
    MatrixD sigma = in.sigma->clone();
    for (size_t i = 0; i < sigma.size() && top > 0; ++i)
        sigma.data()[i] /= top;
    fitGroups(*in.codec, {}, in.weight, q);
    QS_CHECK(checkFormat(*in.codec, q));
    MatrixD least(q.layout.scaleRows, q.layout.groups);
    std::fill_n(least.data(), least.size(), INFINITY);
    for (int i = 0; i < kShares; ++i) {
        QS_CHECK(job.checkpoint());
        const float share = 1 - (1 - kLeastShare) * float(i) / float(kShares);
        QS_TRY(const QuantizedTensor tried,
               quantizeToNearest(in.weight, *in.codec, {RangeRule::MinMax, share}, job.silent()));
        const Matrix error = residual(in.weight, in.codec->dequantize(tried));
        takeBetter(tried, groupLosses(error, sigma, q), q, least);
        job.report("Search clips", double(i + 1), double(kShares));
    }
    roundToNearest(*in.codec, in.weight, q);
    return q;
}

} // namespace

const MethodDescriptor& method_awq_clip() {
    static const MethodDescriptor d{
        .id = "awq_clip",
        .label = "AWQ clipping",
        .summary = "Nearest values; each group covers the share of its range that moves the outputs least",
        .citation = "Lin et al., AWQ, MLSys 2024, arXiv:2306.00978",
        .needs = Needs::Sigma,
        .params = {},
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) { return 5000.0 * double(rows) * double(cols); }};
    return d;
}

} // namespace qs
