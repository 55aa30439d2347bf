// SPDX-License-Identifier: Apache-2.0
// AWQ's scale search: s = magnitude^r over a grid of ratios r, the one with the least output error
// sum tr(E Sigma E^T), E = Q(W S) S^-1 - W, over all linears that read the channels. Ratio 0 scales nothing
// and is among them.
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

/// rms^ratio, so that the largest and the smallest factor multiply to 1.
std::vector<float> factorsOf(const std::vector<float>& rms, double ratio) {
    std::vector<float> s(rms.size(), 1.0f);
    double least = INFINITY, most = 0;
    for (size_t c = 0; c < s.size(); ++c) {
        s[c] = std::max(kFloor, float(std::pow(double(std::max(kFloor, rms[c])), ratio)));
        least = std::min(least, double(s[c]));
        most = std::max(most, double(s[c]));
    }
    for (float& v : s)
        v = float(double(v) / std::sqrt(least * most));
    return s;
}

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_TRY(const ScalingLoss loss, ScalingLoss::make(in, ScalingLoss::Of::Weights));
    const auto candidate = [&](int i) { return factorsOf(in.rms, double(i + 1) / kRatios); };
    return bestFactors(loss, in.channels(), kRatios - 1, candidate, job);
}

} // namespace

const TransformDescriptor& transform_awq() {
    static const TransformDescriptor d{
        .id = "awq",
        .label = "AWQ",
        .summary = "Channels with large inputs get larger weights: 20 strengths are tried, the one with the "
                   "least output error is taken",
        .citation = "Lin et al., AWQ, MLSys 2024, arXiv:2306.00978",
        .needsSigma = true,
        .choose = choose};
    return d;
}

} // namespace qs
