// SPDX-License-Identifier: Apache-2.0
// DGQ's percentile smoothing: s_j = max(1, max|X_j| / a), a the maximum of the channel of rank floor(p n
// + 1.5), counted from the largest: the channels above it, about p n, come down to it, and nothing else
// changes.
#include "core/quant/transform/transform.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace qs {

namespace {

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_CHECK(job.checkpoint());
    constexpr float kLeast = 1e-4f; // below it DGQ's code leaves a layer alone
    const double n = double(in.channels());
    const size_t rank =
        std::clamp<size_t>(size_t(in.params.real("percent") / 100 * n + 1.5), 1, in.channels());
    std::vector<float> sorted = in.absmax;
    std::nth_element(sorted.begin(), sorted.begin() + ptrdiff_t(rank - 1), sorted.end(), std::greater<>());
    const float bound = sorted[rank - 1];
    std::vector<float> s(in.channels(), 1.0f);
    for (size_t c = 0; c < s.size() && bound >= kLeast; ++c)
        s[c] = std::max(1.0f, in.absmax[c] / bound);
    return s;
}

} // namespace

const TransformDescriptor& transform_percentile_smooth() {
    static const TransformDescriptor d{
        .id = "percentile_smooth",
        .label = "Percentile smoothing (DGQ)",
        .summary = "The few channels with the largest inputs are brought down to the next; no search",
        .citation = "Zhang et al. 2023, Dual Grained Quantization, arXiv:2310.04836",
        .needsSigma = false,
        .params = {ParamSpec::real("percent", "Outlier channels", 0.5, 0, 50,
                                   "Share of the channels that are brought down. 0.5 is the published value; "
                                   "small models have room for one or two channels only, and may want more.",
                                   "%")},
        .choose = choose};
    return d;
}

} // namespace qs
