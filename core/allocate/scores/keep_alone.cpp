// SPDX-License-Identifier: Apache-2.0
// What it helps a quantized model to keep one linear as it was: with all that others do to it, which KL alone
// does not see.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_keep_alone() {
    static const ScoreDescriptor d{
        .id = "keep_alone",
        .label = "Kept alone",
        .summary = "By how much the KL divergence falls when, of a model with this scheme everywhere, this "
                   "linear is kept",
        .citation = "leave one out; its terms of pairs as in Schaefer et al. 2023, arXiv:2306.04879",
        .validity = "Effects of pairs are counted for both of them: the sum is an order, no loss. Noisy "
                    "where the whole model's KL is large.",
        .needs = "keep_alone",
        .cost = [](const SensitivityRow&, const SensitivityCell& cell) { return cell.keptGain; }};
    return d;
}

} // namespace qs
