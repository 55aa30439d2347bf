// SPDX-License-Identifier: Apache-2.0
// Outlier Suppression+: where a norm and what reads it have biases, channels are centred first, x_j -
// (max x_j + min x_j) / 2 (ChannelShift::Middle). Then s_j = max(1, max|X_j| / t): channels that reach
// beyond the threshold t are brought down to it, the others stay. Of 40 thresholds, in equal ratios from the
// largest channel's maximum to the median's, the one with the least error of the outputs by rounded weights
// and rounded inputs (scaling_loss.h; the paper takes equal steps and the output of the whole attention or
// feed-forward half).
#include "core/quant/transform/scaling_loss.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

constexpr int kThresholds = 40;

float median(std::vector<float> values) {
    const auto middle = values.begin() + ptrdiff_t(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_TRY(const ScalingLoss loss, ScalingLoss::make(in, ScalingLoss::Of::WeightsAndInputs));
    const double most = double(*std::max_element(in.absmax.begin(), in.absmax.end())),
                 least = double(median(in.absmax));
    if (!(least > 0)) return std::vector<float>(in.channels(), 1.0f);
    const auto candidate = [&](int i) {
        const double threshold = most * std::pow(least / most, double(i + 1) / kThresholds);
        std::vector<float> s;
        for (const float top : in.absmax)
            s.push_back(std::max(1.0f, float(double(top) / threshold)));
        return s;
    };
    return bestFactors(loss, in.channels(), kThresholds, candidate, job);
}

} // namespace

const TransformDescriptor& transform_outlier_suppression_plus() {
    static const TransformDescriptor d{
        .id = "outlier_suppression_plus",
        .label = "Outlier Suppression+",
        .summary = "Channels are centred where biases can take that up, and those beyond a threshold are "
                   "brought down to it; the threshold with the least error of the outputs is searched",
        .citation = "Wei et al., Outlier Suppression+, EMNLP 2023, arXiv:2304.09145",
        .needsSigma = true,
        .shift = ChannelShift::Middle,
        .choose = choose};
    return d;
}

} // namespace qs
