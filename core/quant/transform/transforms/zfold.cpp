// SPDX-License-Identifier: Apache-2.0
// Z-Fold: step sizes of rank one, s_r zeta_j, whose second factor is folded into what writes the channel. In
// turn, zeta_j = <w_j, q_j> / <q_j, q_j>, the least squares fit of column j of all linears that read it to
// their rounded values q (without zeta), and the grids of W / zeta anew; while the error of the outputs, tr(E
// Sigma E^T), falls, at most 30 times. The channels' factors are 1 / zeta. Grids are those of each linear's
// scheme; where it searches ranges, errors weigh as diag(Sigma) zeta^2 (the paper: all of Sigma).
#include "core/quant/quantize_common.h"
#include "core/quant/transform/scaling_loss.h"

#include <algorithm>

namespace qs {

namespace {

constexpr int kRounds = 30;
/// The fit looks at this many rows of each linear at least, evenly spread; the result is confirmed on all.
constexpr size_t kFitRows = 1024;

/// Numerators and denominators of zeta, [channels].
struct Fit {
    std::vector<double> wq, qq;
};

/// qs::importanceOf inputs that are divided by s.
std::vector<float> importanceOf(const MatrixD& sigma, const std::vector<float>& s) {
    constexpr double kFloor = 1e-4;
    std::vector<double> squares(s.size());
    double sum = 0;
    for (size_t c = 0; c < s.size(); ++c)
        sum += squares[c] = std::max(0.0, sigma(c, c)) / (double(s[c]) * double(s[c]));
    std::vector<float> out(s.size(), 1.0f);
    for (size_t c = 0; c < s.size() && sum > 0; ++c)
        out[c] = float(squares[c] * double(s.size()) / sum + kFloor);
    return out;
}

/// Of W with columns times s, rounded: q in <w, q> and <q, q>.
Result<void> accumulate(const TransformReader& reader, const std::vector<float>& s, Fit& fit,
                        const JobContext& job) {
    const size_t rows = reader.weight.rows, cols = reader.weight.cols,
                 step = std::max<size_t>(1, rows / kFitRows), n = (rows + step - 1) / step;
    QuantizeInput in;
    Matrix scaled(n, cols);
    for (size_t r = 0; r < n; ++r)
        for (size_t c = 0; c < cols; ++c)
            scaled(r, c) = reader.weight(r * step, c) * s[c];
    in.weight = scaled.view();
    in.codec = reader.codec;
    QS_TRY(QuantizedTensor q, beginTensor(in, Needs::Nothing));
    fitGroups(*reader.codec, reader.range, scaled.view(), q, importanceOf(*reader.sigma, s));
    roundToNearest(*reader.codec, scaled.view(), q);
    QS_CHECK(job.checkpoint());
    const Matrix rounded = reader.codec->dequantize(q);
    for (size_t r = 0; r < n; ++r)
        for (size_t c = 0; c < cols; ++c) {
            fit.wq[c] += double(reader.weight(r * step, c)) * double(rounded(r, c));
            fit.qq[c] += double(rounded(r, c)) * double(rounded(r, c));
        }
    return {};
}

/// Sums over channels that are tied.
void pool(std::vector<double>& values, std::span<const size_t> tie) {
    if (tie.empty()) return;
    std::vector<double> sums(*std::max_element(tie.begin(), tie.end()) + 1);
    for (size_t c = 0; c < tie.size(); ++c)
        sums[tie[c]] += values[c];
    for (size_t c = 0; c < tie.size(); ++c)
        values[c] = sums[tie[c]];
}

Result<std::vector<float>> refit(const TransformInput& in, const std::vector<float>& s,
                                 const JobContext& job) {
    Fit fit{std::vector<double>(in.channels()), std::vector<double>(in.channels())};
    for (const TransformReader& reader : in.readers)
        if (reader.sigma) QS_CHECK(accumulate(reader, s, fit, job));
    pool(fit.wq, in.tie);
    pool(fit.qq, in.tie);
    std::vector<float> next = s;
    for (size_t c = 0; c < s.size(); ++c)
        if (fit.wq[c] > 0) next[c] = float(fit.qq[c] / fit.wq[c]); // else all of it is rounded to 0
    return next;
}

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    using Rows = ScalingLoss::Rows;
    const std::vector<float> none(in.channels(), 1.0f);
    QS_TRY(const ScalingLoss loss, ScalingLoss::make(in, ScalingLoss::Of::Weights));
    if (loss.isEmpty()) return none;
    std::vector<float> best = none;
    QS_TRY(double least, loss(none, Rows::All, job));
    for (int round = 0; round < kRounds; ++round) {
        QS_TRY(std::vector<float> s, refit(in, best, job));
        QS_TRY(const double own, loss(s, Rows::All, job));
        if (!(own < least)) break;
        least = own;
        best = std::move(s);
    }
    return best;
}

} // namespace

const TransformDescriptor& transform_zfold() {
    static const TransformDescriptor d{
        .id = "zfold",
        .label = "Z-Fold",
        .summary =
            "A second factor of the step sizes, one per channel, by alternating least squares; weights only",
        .citation =
            "Jeon et al., A Frustratingly Easy Post-Training Quantization Scheme for LLMs, EMNLP 2023",
        .needsSigma = true,
        .choose = choose};
    return d;
}

} // namespace qs
