// SPDX-License-Identifier: Apache-2.0
// What the model itself says of each linear quantized alone.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_kl_alone() {
    static const ScoreDescriptor d{
        .id = "kl_alone",
        .label = "KL alone",
        .summary = "KL divergence of the model with this linear alone quantized",
        .citation = "one linear at a time, as llama.cpp's and ExLlamaV2's measurements; sums as in HIGGS, "
                    "arXiv:2411.17525",
        .validity =
            "Any scheme; that effects of linears add up holds while their sum is below about 1 nat per "
            "token.",
        .needs = "alone",
        .isLoss = true,
        .cost = [](const SensitivityRow&, const SensitivityCell& cell) { return cell.kl; },
        .uncertainty = [](const SensitivityRow&, const SensitivityCell& cell) { return cell.klStderr; }};
    return d;
}

} // namespace qs
