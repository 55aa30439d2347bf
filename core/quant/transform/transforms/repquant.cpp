// SPDX-License-Identifier: Apache-2.0
// RepQuant's reparameterisation: inputs with a scale and zero point of their own in every channel become
// inputs with one of each for all, folded into the norm before and the weights behind. What one scale for all
// channels then costs is what a scale for each of them would have.
//
// With the scales s_j = range_j / (2^b - 1) and zero points z_j = -min_j / s_j, r1 = s / mean s and
// r2 = z - mean z, a channel becomes (x_j + s_j r2_j) / r1_j. Where biases can take the shift up, it is taken
// first (ChannelShift::ZeroPoint; b cancels out): then max|X_j| is the same share of every channel's range
// and s_j = max|X_j| / mean over k of max|X_k| is r1. Elsewhere scales are symmetric, and that is r1 too.
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
        .summary =
            "Every channel of the inputs gets the same range, and where biases can take that up the same "
            "zero point, for inputs with one scale; the weights take all of the difference",
        .citation = "Li et al. 2024, arXiv:2402.05628",
        .needsSigma = false,
        .shift = ChannelShift::ZeroPoint,
        .params = {},
        .choose = choose};
    return d;
}

} // namespace qs
