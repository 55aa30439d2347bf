// SPDX-License-Identifier: Apache-2.0
// LLM-FP4's pre-shifted exponent biases: every input channel has its exponent bias, a whole number b_j =
// clamp(round(log2(max_k max|X_k| / max|X_j|)), 0, 2^E - 1) above the one of the token, which is real. Inputs
// are multiplied by 2^b_j and weights divided: s_j = 2^-b_j, exact in any float format.
#include "core/quant/transform/transform.h"

#include <algorithm>
#include <cmath>

namespace qs {

namespace {

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_CHECK(job.checkpoint());
    const double most = std::exp2(double(in.params.integer("exponent_bits"))) - 1;
    const float largest = *std::max_element(in.absmax.begin(), in.absmax.end());
    std::vector<float> s(in.channels(), 1.0f);
    for (size_t c = 0; c < s.size(); ++c)
        if (in.absmax[c] > 0)
            s[c] = float(std::exp2(
                -std::clamp(std::round(std::log2(double(largest) / double(in.absmax[c]))), 0.0, most)));
    return s;
}

} // namespace

const TransformDescriptor& transform_llm_fp4() {
    static const TransformDescriptor d{
        .id = "llm_fp4",
        .label = "Exponent biases per channel (LLM-FP4)",
        .summary = "Channels with small inputs are multiplied by powers of two, up to the reach of a float's "
                   "exponent, for inputs in FP4 or FP8",
        .citation = "Liu et al. 2023, LLM-FP4, arXiv:2310.16836",
        .needsSigma = false,
        .params = {ParamSpec::integer(
            "exponent_bits", "Exponent bits", 2, 1, 5,
            "Of the format of the inputs: E2M1 has 2. A channel is shifted by at most "
            "2^bits - 1 powers of two.",
            "bit")},
        .choose = choose};
    return d;
}

} // namespace qs
