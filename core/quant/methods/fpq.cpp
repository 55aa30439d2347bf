// SPDX-License-Identifier: Apache-2.0
// FPQ, LLM-FP4's search: of 100 shares of its range, from 0.0219 to 1.2 (row_ranges.h), and the whole of it,
// every row takes the one with the least error of its output, (w' - w) Sigma (w' - w)^T; floats do so in
// every split of their bits into exponent and mantissa, and the tensor takes the best. Inputs with
// search_range are searched together with the weights before that (core/run/joint_range.h); Sigma here is
// that of the inputs that the run sees, behind blocks that are quantized already.
#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/quant/quantize_common.h"
#include "core/quant/range/row_ranges.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qs {

namespace {

/// In units of its largest diagonal entry.
Matrix scaledSigma(const MatrixD& sigma) {
    double top = 0;
    for (size_t c = 0; c < sigma.rows(); ++c)
        top = std::max(top, sigma(c, c));
    Matrix out(sigma.rows(), sigma.cols());
    for (size_t i = 0; i < out.size() && top > 0; ++i)
        out.data()[i] = float(sigma.data()[i] / top);
    return out;
}

struct Choice {
    std::vector<float> shares; ///< [rows]
    double loss = 0;
};

/// Of every row e Sigma e^T, e = values - weight, which go into `values`.
std::vector<double> rowLosses(ConstMatrixView weight, Matrix& values, const Matrix& sigma, Matrix& product) {
    for (size_t r = 0; r < weight.rows; ++r)
        for (size_t c = 0; c < weight.cols; ++c)
            values(r, c) -= weight(r, c);
    linalg::gemm(false, false, 1.0f, values.view(), sigma.view(), 0.0f, product.view());
    std::vector<double> out(weight.rows);
    for (size_t r = 0; r < weight.rows; ++r)
        for (size_t c = 0; c < weight.cols; ++c)
            out[r] += double(values(r, c)) * double(product(r, c));
    return out;
}

Result<Choice> choose(const RowRanges& ranges, ConstMatrixView weight, const Matrix& sigma,
                      const JobContext& job) {
    Choice out{std::vector<float>(weight.rows, 1.0f), 0};
    std::vector<double> least(weight.rows, INFINITY);
    Matrix values(weight.rows, weight.cols), product(weight.rows, weight.cols);
    for (const float share : rangeShares()) {
        QS_CHECK(job.checkpoint());
        ranges.round({&share, 1}, values.view());
        const std::vector<double> losses = rowLosses(weight, values, sigma, product);
        for (size_t r = 0; r < weight.rows; ++r) {
            if (!(losses[r] < least[r])) continue;
            least[r] = losses[r];
            out.shares[r] = share;
        }
    }
    out.loss = std::accumulate(least.begin(), least.end(), 0.0);
    return out;
}

Result<QuantizedTensor> quantize(const QuantizeInput& in, const JobContext& job) {
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Sigma));
    const Matrix sigma = scaledSigma(*in.sigma);
    QS_TRY(const auto formats, formatsOfSameBits(*in.codec));
    double least = INFINITY;
    for (size_t i = 0; i < formats.size(); ++i) {
        const double count = double(formats.size());
        QS_TRY(const RowRanges ranges, RowRanges::make(formats[i], in.weight));
        QS_TRY(const Choice own,
               choose(ranges, in.weight, sigma, job.part(double(i) / count, double(i + 1) / count)));
        if (!(own.loss < least)) continue;
        least = own.loss;
        q = ranges.quantize(own.shares);
    }
    return q;
}

} // namespace

const MethodDescriptor& method_fpq() {
    static const MethodDescriptor d{
        .id = "fpq",
        .label = "FPQ",
        .summary =
            "Nearest codes, each row with the share of its range that moves the layer's output least; floats "
            "in the best split of their bits",
        .citation = "Liu et al. 2023, LLM-FP4, arXiv:2310.16836",
        .needs = Needs::Sigma,
        .params = {},
        .notWorseThanRtn = true,
        .quantize = quantize,
        .flops = [](size_t rows, size_t cols) { return 200.0 * double(rows) * double(cols) * double(cols); }};
    return d;
}

} // namespace qs
