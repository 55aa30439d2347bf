// SPDX-License-Identifier: Apache-2.0
// The linearity theorem: the loss rises by the sum over linears of alpha_l t_l^2, t_l the relative error of
// the weights.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_linearity() {
    static const ScoreDescriptor d{
        .id = "linearity",
        .label = "Linearity",
        .summary = "Relative weight error times how steeply errors of the linear raise the loss",
        .citation = "Malinovskii et al. 2024, arXiv:2411.17525 (HIGGS)",
        .validity =
            "Errors that are small and look like noise: 3 bits and more, nearest rounding. Methods that "
            "shape their errors by Sigma do less harm than it says.",
        .needs = "linearity",
        .isLoss = true,
        .cost = [](const SensitivityRow& row,
                   const SensitivityCell& cell) { return row.alpha * cell.weightError; },
        .uncertainty =
            [](const SensitivityRow& row, const SensitivityCell& cell) {
                return row.alpha * row.alphaError * cell.weightError;
            }};
    return d;
}

} // namespace qs
