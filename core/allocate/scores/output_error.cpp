// SPDX-License-Identifier: Apache-2.0
// The relative error of a linear's outputs over the calibration.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_output_error() {
    static const ScoreDescriptor d{
        .id = "output_error",
        .label = "Output error",
        .summary =
            "Squared error of the linear's outputs over their square, tr(E Sigma E^T) / tr(W Sigma W^T)",
        .citation = "Frantar et al. 2022, arXiv:2210.17323 (the objective of GPTQ)",
        .validity =
            "Orders schemes of one linear well; says nothing of how much the model minds an error there.",
        .needs = "a calibration",
        .cost = [](const SensitivityRow&, const SensitivityCell& cell) { return cell.outputError; }};
    return d;
}

} // namespace qs
