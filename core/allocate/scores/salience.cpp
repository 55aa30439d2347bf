// SPDX-License-Identifier: Apache-2.0
// The errors of weights by how salient their inputs are, as SliM-LLM orders groups.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_salience() {
    static const ScoreDescriptor d{
        .id = "salience",
        .label = "Salience",
        .summary = "Squared errors over the squared weights, both divided by the inverse Hessian's diagonal, "
                   "sum E^2 / U_jj^2",
        .citation =
            "Huang et al. 2024, arXiv:2405.14917 (SliM-LLM); Frantar and Alistarh 2022, arXiv:2208.11580",
        .validity = "Orders schemes of one linear; says nothing of how much the model minds an error there.",
        .needs = "salience",
        .cost = [](const SensitivityRow&, const SensitivityCell& cell) { return cell.salienceError; }};
    return d;
}

} // namespace qs
