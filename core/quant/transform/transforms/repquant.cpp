// SPDX-License-Identifier: Apache-2.0
// RepQuant's reparameterisation of scales: inputs with a range of their own in every channel become inputs
// with one for all, s_j = max|X_j| / mean over k of max|X_k|, folded into the norm before and the weights
// behind. What one scale for all channels then costs is what a scale for each of them would have.
#include "core/quant/transform/transform.h"

#include <numeric>

namespace qs {

namespace {

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_CHECK(job.checkpoint());
    const double mean = std::accumulate(in.absmax.begin(), in.absmax.end(), 0.0) / double(in.channels());
    std::vector<float> s(in.channels(), 1.0f);
    for (size_t c = 0; c < s.size(); ++c)
        if (in.absmax[c] > 0) s[c] = float(double(in.absmax[c]) / mean);
    return s;
}

} // namespace

const TransformDescriptor& transform_repquant() {
    static const TransformDescriptor d{
        .id = "repquant",
        .label = "Scale reparameterisation (RepQuant)",
        .summary = "Every channel of the inputs gets the same range, for inputs with one scale; the weights "
                   "take all of the difference",
        .citation = "Li et al. 2024, arXiv:2402.05628",
        .needsSigma = false,
        .params = {},
        .choose = choose};
    return d;
}

} // namespace qs
