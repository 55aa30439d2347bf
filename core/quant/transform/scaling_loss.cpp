// SPDX-License-Identifier: Apache-2.0
#include "core/quant/transform/scaling_loss.h"

#include "core/base/gaussian.h"
#include "core/quant/quantize_common.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr size_t kSampleRows = 128;

Matrix drawTokens(const std::vector<float>& rms, const std::vector<float>& absmax) {
    constexpr size_t kTokens = 64;
    std::mt19937_64 random(1);
    Matrix tokens(kTokens, rms.size());
    for (size_t t = 0; t < kTokens; ++t)
        for (size_t c = 0; c < rms.size(); ++c)
            tokens(t, c) = std::clamp(float(gaussian(random)) * rms[c], -absmax[c], absmax[c]);
    return tokens;
}

size_t sampleStep(size_t rows) {
    return std::max<size_t>(1, rows / kSampleRows);
}

/// tr(W Sigma W^T) by the sampled rows, for all.
double energyOf(ConstMatrixView weight, const SigmaWeights& sigma) {
    const size_t step = sampleStep(weight.rows), n = (weight.rows + step - 1) / step;
    const ConstMatrixView sampled(weight.data, n, weight.cols, step * weight.stride);
    return sigma.norm(sampled) * double(weight.rows) / double(n);
}

} // namespace

Result<ScalingLoss> ScalingLoss::make(const TransformInput& in, Of of) {
    ScalingLoss loss;
    if (of == Of::WeightsAndInputs) loss.tokens_ = drawTokens(in.rms, in.absmax);
    double squares = 0; // of one token, on average
    for (const float rms : in.rms)
        squares += double(rms) * double(rms);
    for (const TransformReader& linear : in.readers) {
        if (!linear.sigma) continue;
        QS_TRY(auto weights, SigmaWeights::make(*linear.sigma, linear.weight.cols));
        if (!weights) continue;
        Reader r{linear, std::move(*weights)};
        double trace = 0;
        for (size_t c = 0; c < linear.weight.cols; ++c) {
            r.unit = std::max(r.unit, (*linear.sigma)(c, c));
            trace += (*linear.sigma)(c, c);
        }
        r.tokens = squares > 0 ? trace / squares : 0;
        if (of == Of::Weights) r.linear.inputs = nullptr;
        QS_TRY(const GroupLayout layout, linear.codec->layout(linear.weight.rows, linear.weight.cols));
        r.energy = energyOf(linear.weight, r.weights);
        if (!(r.energy > 0)) continue;
        r.shared = layout.scaleRows == 1 || r.linear.codec->vectorRows() > 1 || !r.linear.codec->hasLevels();
        loss.readers_.push_back(std::move(r));
    }
    return loss;
}

Result<double> ScalingLoss::operator()(const std::vector<float>& factors, Rows rows,
                                       const JobContext& job) const {
    double sum = 0;
    for (const Reader& reader : readers_) {
        QS_TRY(const double own, ofReader(reader, factors, rows, job));
        sum += own;
    }
    return sum;
}

Result<double> ScalingLoss::ofReader(const Reader& reader, const std::vector<float>& s, Rows which,
                                     const JobContext& job) const {
    const TransformReader& linear = reader.linear;
    const size_t rows = linear.weight.rows, cols = linear.weight.cols,
                 step = which == Rows::All || reader.shared ? 1 : sampleStep(rows);
    const size_t n = (rows + step - 1) / step;
    Matrix scaled(n, cols);
    for (size_t r = 0; r < n; ++r)
        for (size_t c = 0; c < cols; ++c)
            scaled(r, c) = linear.weight(r * step, c) * s[c];
    QS_TRY(const QuantizedTensor q,
           quantizeToNearest(scaled.view(), *linear.codec, linear.range, job.silent()));
    QS_CHECK(job.checkpoint());
    Matrix error = linear.codec->dequantize(q);
    double byInputs = 0;
    if (linear.inputs) {
        QS_TRY(const std::vector<double> noise, inputErrors(*linear.inputs, s));
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < cols; ++c)
                byInputs += noise[c] * double(error(r, c)) * double(error(r, c));
    }
    for (size_t r = 0; r < n; ++r)
        for (size_t c = 0; c < cols; ++c)
            error(r, c) = error(r, c) / s[c] - linear.weight(r * step, c);
    return (reader.weights.norm(error.view()) + byInputs * reader.tokens / reader.unit) / reader.energy *
           double(rows) / double(n);
}

Result<std::vector<double>> ScalingLoss::inputErrors(const RowRounder& rounder,
                                                     const std::vector<float>& s) const {
    Matrix scaled(tokens_.rows(), tokens_.cols());
    for (size_t t = 0; t < scaled.rows(); ++t)
        for (size_t c = 0; c < scaled.cols(); ++c)
            scaled(t, c) = tokens_(t, c) / s[c];
    Matrix rounded = scaled.clone();
    QS_CHECK(rounder.round(rounded.view()));
    std::vector<double> out(scaled.cols());
    for (size_t t = 0; t < scaled.rows(); ++t)
        for (size_t c = 0; c < scaled.cols(); ++c)
            out[c] += std::pow(double(rounded(t, c)) - double(scaled(t, c)), 2) / double(scaled.rows());
    return out;
}

Result<std::vector<float>> bestFactors(const ScalingLoss& loss, size_t channels, int count,
                                       const std::function<std::vector<float>(int)>& candidate,
                                       const JobContext& job) {
    using Rows = ScalingLoss::Rows;
    const std::vector<float> none(channels, 1.0f);
    if (loss.isEmpty()) return none;
    std::vector<float> best = none;
    QS_TRY(double least, loss(none, Rows::Sample, job));
    for (int i = 0; i < count; ++i) {
        std::vector<float> s = candidate(i);
        QS_TRY(const double own, loss(s, Rows::Sample, job));
        if (!(own < least)) continue;
        least = own;
        best = std::move(s);
    }
    QS_TRY(const double scaled, loss(best, Rows::All, job));
    QS_TRY(const double plain, loss(none, Rows::All, job));
    return scaled < plain ? best : none;
}

} // namespace qs
