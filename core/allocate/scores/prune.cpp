// SPDX-License-Identifier: Apache-2.0
// PMPQ of CPTQuant: what the model loses when half of a linear's weights, the smallest, are 0, in place of
// how steeply rounding errors raise the loss.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_prune() {
    static const ScoreDescriptor d{
        .id = "prune",
        .label = "Pruning",
        .summary = "Relative weight error times the KL divergence, per relative error, of the linear pruned "
                   "to a half",
        .citation = "Nanda et al. 2024, arXiv:2412.03599 (CPTQuant, PMPQ; there accuracy)",
        .validity = "An order: the zeros of pruning and the errors of rounding do different harm.",
        .needs = "prune",
        .cost = [](const SensitivityRow& row, const SensitivityCell& cell) {
            return row.pruneError > 0 ? row.pruneKl / row.pruneError * cell.weightError : row.pruneKl;
        }};
    return d;
}

} // namespace qs
