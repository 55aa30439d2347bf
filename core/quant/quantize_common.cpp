// SPDX-License-Identifier: Apache-2.0
#include "core/quant/quantize_common.h"

#include "core/linalg/parallel.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace qs {

Result<QuantizedTensor> beginTensor(const QuantizeInput& in, Needs needs) {
    const ConstMatrixView& w = in.weight;
    for (size_t r = 0; r < w.rows; ++r)
        for (size_t c = 0; c < w.cols; ++c)
            if (!std::isfinite(w(r, c)))
                return Error::invalid(
                    fmt::format("weight [{}, {}] is {}; a tensor with NaN or infinity cannot be quantized", r,
                                c, w(r, c)));
    if (needs == Needs::Importance && !in.importance.empty()) {
        if (in.importance.size() != w.cols)
            return Error::invalid(
                fmt::format("importance of {} inputs for a row length of {}", in.importance.size(), w.cols));
    } else if (needs != Needs::Nothing) {
        if (!in.sigma) return Error::invalid("the method needs Sigma: calibrate first");
        if (in.sigma->rows() != w.cols || in.sigma->cols() != w.cols)
            return Error::invalid(fmt::format("Sigma is [{}, {}] for a row length of {}", in.sigma->rows(),
                                              in.sigma->cols(), w.cols));
        if (needs == Needs::Sigma && !in.backend) return Error::internal("no backend was given");
    }
    QuantizedTensor q;
    q.codec = in.codec->id();
    q.codecParams = in.codec->params();
    q.rows = w.rows;
    q.cols = w.cols;
    QS_TRY(q.layout, in.codec->layout(w.rows, w.cols));
    q.codes.resize(w.rows * w.cols);
    return q;
}

namespace {

std::vector<float> weightsOf(std::span<const double> squares) {
    constexpr double kFloor = 1e-4;
    double trace = 0;
    for (const double s : squares)
        trace += std::max(0.0, s);
    const double mean = trace / double(squares.size());
    std::vector<float> out(squares.size(), 1.0f);
    for (size_t i = 0; i < out.size() && mean > 0; ++i)
        out[i] = float(std::max(0.0, squares[i]) / mean + kFloor);
    return out;
}

} // namespace

std::vector<float> importanceOf(const MatrixD& sigma) {
    std::vector<double> diagonal(sigma.rows());
    for (size_t i = 0; i < diagonal.size(); ++i)
        diagonal[i] = sigma(i, i);
    return weightsOf(diagonal);
}

std::vector<float> importanceOf(const QuantizeInput& in) {
    return in.importance.empty() ? importanceOf(*in.sigma) : weightsOf(in.importance);
}

void roundToNearest(const Codec& codec, ConstMatrixView weight, QuantizedTensor& q) {
    linalg::parallelFor(weight.rows, 8, [&](size_t begin, size_t end) {
        std::vector<float> scale(weight.cols), zero(weight.cols), rounded(weight.cols);
        for (size_t r = begin; r < end; ++r) {
            const size_t p = q.parameterRow(r);
            for (size_t c = 0; c < weight.cols; ++c) {
                scale[c] = q.scale(p, q.groupOf(c));
                zero[c] = q.zero(p, q.groupOf(c));
            }
            codec.round(weight.row(r), weight.cols, scale.data(), zero.data(), q.codes.data() + r * q.cols,
                        rounded.data());
        }
    });
}

Result<QuantizedTensor> quantizeToNearest(ConstMatrixView weight, const Codec& codec, RangeChoice range,
                                          const JobContext& job) {
    QuantizeInput in;
    in.weight = weight;
    in.codec = &codec;
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Nothing));
    QS_CHECK(job.checkpoint());
    fitGroups(codec, range, weight, q);
    QS_CHECK(job.checkpoint());
    roundToNearest(codec, weight, q);
    return q;
}

} // namespace qs
