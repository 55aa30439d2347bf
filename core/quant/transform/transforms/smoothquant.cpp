// SPDX-License-Identifier: Apache-2.0
// SmoothQuant: s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), the maximum over all linears that read channel j.
// It shares out the range of a channel between input and weight; no search.
#include "core/quant/transform/transform.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

/// The paper's floor of magnitudes and factors.
constexpr float kFloor = 1e-5f;

std::vector<float> largestWeights(const TransformInput& in) {
    std::vector<float> top(in.channels(), 0.0f);
    for (const TransformReader& reader : in.readers)
        for (size_t r = 0; r < reader.weight.rows; ++r)
            for (size_t c = 0; c < top.size(); ++c)
                top[c] = std::max(top[c], std::fabs(reader.weight(r, c)));
    return pooledMaximum(std::move(top), in.tie);
}

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_CHECK(job.checkpoint());
    const double alpha = in.params.real("alpha");
    const std::vector<float> weight = largestWeights(in);
    std::vector<float> s(in.channels(), 1.0f);
    float least = INFINITY;
    for (size_t c = 0; c < s.size(); ++c) {
        if (in.absmax[c] <= 0 || weight[c] <= 0) continue;
        s[c] = std::max(kFloor, float(std::pow(double(in.absmax[c]), alpha) /
                                      std::pow(double(std::max(kFloor, weight[c])), 1 - alpha)));
        least = std::min(least, s[c]);
    }
    // A channel that never fired, or that nobody reads, must not set the range of its group.
    for (size_t c = 0; c < s.size() && std::isfinite(least); ++c)
        if (in.absmax[c] <= 0 || weight[c] <= 0) s[c] = least;
    return s;
}

} // namespace

const TransformDescriptor& transform_smoothquant() {
    static const TransformDescriptor d{
        .id = "smoothquant",
        .label = "SmoothQuant",
        .summary = "Factors from the largest input and weight of each channel, shared out by alpha",
        .citation = "Xiao et al., SmoothQuant, ICML 2023, arXiv:2211.10438",
        .needsSigma = false,
        .params = {ParamSpec::real("alpha", "Alpha", 0.5, 0, 1,
                                   "How much of the inputs' range moves into the weights: 0.5 shares it "
                                   "evenly, 0.75 to 0.9 suits models with strong outlier channels.")},
        .choose = choose};
    return d;
}

} // namespace qs
