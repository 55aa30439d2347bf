// SPDX-License-Identifier: Apache-2.0
// What part of the entropy of a linear's weights a scheme loses.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_entropy() {
    static const ScoreDescriptor d{
        .id = "entropy",
        .label = "Entropy lost",
        .summary = "Share of the entropy of the weights, in 256 bins over their range, that the scheme loses",
        .citation = "Tao et al. 2024, arXiv:2401.13714 (QuantMCU; there of feature maps)",
        .validity = "Data-free. Counts how many values are left, not how far they are from those that were: "
                    "an order of bits more than of methods.",
        .needs = "entropy",
        .cost = [](const SensitivityRow&, const SensitivityCell& cell) { return cell.entropyLoss; }};
    return d;
}

} // namespace qs
