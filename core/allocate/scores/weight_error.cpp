// SPDX-License-Identifier: Apache-2.0
// The relative error of a linear's weights: needs no data at all.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_weight_error() {
    static const ScoreDescriptor d{
        .id = "weight_error",
        .label = "Weight error",
        .summary = "Squared error of the weights over their square; every linear matters alike",
        .citation = "baseline",
        .validity = "Data-free. Blind to activations: outlier channels count no more than others.",
        .needs = "errors",
        .cost = [](const SensitivityRow&, const SensitivityCell& cell) { return cell.weightError; }};
    return d;
}

} // namespace qs
