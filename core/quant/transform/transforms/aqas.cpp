// SPDX-License-Identifier: Apache-2.0
// AQAS: SmoothQuant's factors with a strength alpha of their own for every fold, of 0, 0.05 .. 1 the one with
// the least error of the outputs by rounded weights and rounded inputs together (scaling_loss.h).
#include "core/quant/transform/scaling_loss.h"
#include "core/quant/transform/smooth_factors.h"

namespace qs {

namespace {

constexpr int kStrengths = 21;

Result<std::vector<float>> choose(const TransformInput& in, const JobContext& job) {
    QS_TRY(const ScalingLoss loss, ScalingLoss::make(in, ScalingLoss::Of::WeightsAndInputs));
    const auto candidate = [&](int i) { return smoothFactors(in, double(i) / (kStrengths - 1)); };
    return bestFactors(loss, in.channels(), kStrengths, candidate, job);
}

} // namespace

const TransformDescriptor& transform_aqas() {
    static const TransformDescriptor d{
        .id = "aqas",
        .label = "AQAS",
        .summary =
            "SmoothQuant with a strength for every fold, by the joint error of rounded weights and inputs",
        .citation =
            "Lee et al., Enhancing Computation Efficiency in Large Language Models through Weight and "
            "Activation Quantization, EMNLP 2023, arXiv:2311.05161",
        .needsSigma = true,
        .choose = choose};
    return d;
}

} // namespace qs
