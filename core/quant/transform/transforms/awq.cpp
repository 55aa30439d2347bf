// SPDX-License-Identifier: Apache-2.0
// AWQ's scale search: s = x^r, and s = x^r / w^(1 - r), over a grid of ratios r, the one with the least
// output error, E = Q(W S) S^-1 - W, over all linears that read the channels, each by its share of their
// outputs (scaling_loss.h). No factors at all are among them. x is a channel's magnitude, w that of its
// weights in shares of their groups' largest; dividing by it is what the method's later implementations do
// (AutoAWQ).
//
// The paper's magnitude is mean|x|. Here it is the root mean square, sqrt(Sigma_jj / tokens): what the loss
// weighs errors with, and what recorded activations have too.
#include "core/quant/transform/scaling_loss.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr int kRatios = 20;
constexpr float kFloor = 1e-4f; ///< of magnitudes and factors, as in the paper's code

/// Adds |w| / its group's largest magnitude, column by column.
void addShares(const TransformReader& reader, size_t group, std::vector<float>& sums) {
    for (size_t r = 0; r < reader.weight.rows; ++r)
        for (size_t first = 0; first < reader.weight.cols; first += group) {
            const std::span<const float> w(reader.weight.row(r) + first,
                                           std::min(group, reader.weight.cols - first));
            float top = 0;
            for (const float v : w)
                top = std::max(top, std::fabs(v));
            for (size_t i = 0; i < w.size() && top > 0; ++i)
                sums[first + i] += std::fabs(w[i]) / top;
        }
}

/// Mean over all rows that read a channel, [channels]; equal where channels are tied.
Result<std::vector<float>> weightMagnitudes(const TransformInput& in) {
    std::vector<float> out(in.channels());
    size_t rows = 0;
    for (const TransformReader& reader : in.readers) {
        if (!reader.sigma) continue; // no token got there: it has no say
        QS_TRY(const GroupLayout layout, reader.codec->layout(reader.weight.rows, reader.weight.cols));
        addShares(reader, layout.groupSize, out);
        rows += reader.weight.rows;
    }
    for (float& v : out)
        v = std::max(kFloor, v / float(std::max<size_t>(1, rows)));
    return pooledMaximum(std::move(out), in.tie);
}

/// Scaled so that the largest and the smallest factor multiply to 1.
std::vector<float> centered(std::vector<float> s) {
    const auto [least, most] = std::minmax_element(s.begin(), s.end());
    const double middle = std::sqrt(double(*least) * double(*most));
    for (float& v : s)
        v = float(double(v) / middle);
    return s;
}

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_TRY(const ScalingLoss loss, ScalingLoss::make(in, ScalingLoss::Of::Weights));
    QS_TRY(const std::vector<float> weights, weightMagnitudes(in));
    constexpr int kEach = kRatios - 1;
    const auto candidate = [&](int i) {
        const double ratio = double(i % kEach + 1) / kRatios;
        std::vector<float> s(in.channels());
        for (size_t c = 0; c < s.size(); ++c) {
            const double x = std::pow(double(std::max(kFloor, in.rms[c])), ratio),
                         w = i < kEach ? 1.0 : std::pow(double(weights[c]), 1 - ratio);
            s[c] = std::max(kFloor, float(x / w));
        }
        return centered(std::move(s));
    };
    return bestFactors(loss, in.channels(), 2 * kEach, candidate, job);
}

} // namespace

const TransformDescriptor& transform_awq() {
    static const TransformDescriptor d{
        .id = "awq",
        .label = "AWQ",
        .summary = "Channels with large inputs get larger weights: 38 strengths are tried, the one with the "
                   "least output error is taken",
        .citation = "Lin et al., AWQ, MLSys 2024, arXiv:2306.00978",
        .needsSigma = true,
        .choose = choose};
    return d;
}

} // namespace qs
