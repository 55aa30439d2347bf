// SPDX-License-Identifier: Apache-2.0
// SmoothQuant (smooth_factors.h): shares out the range of a channel between input and weight; no search.
#include "core/quant/transform/smooth_factors.h"

namespace qs {

namespace {

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_CHECK(job.checkpoint());
    return smoothFactors(in, in.params.real("alpha"));
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
