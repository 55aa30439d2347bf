// SPDX-License-Identifier: Apache-2.0
// CMPQ of CPTQuant: a block whose output is unlike its input does more, and gets more bits. Its linears share
// the weight 1 - R^2 of their errors.
#include "core/allocate/score.h"

namespace qs {

const ScoreDescriptor& score_cca() {
    static const ScoreDescriptor d{
        .id = "cca",
        .label = "Block correlation",
        .summary = "Relative weight error times how unlike the block's output and input are, by canonical "
                   "correlation",
        .citation =
            "Nanda et al. 2024, arXiv:2412.03599 (CPTQuant, CMPQ); Kornblith et al. 2019, arXiv:1905.00414",
        .validity =
            "Tells blocks apart, not the linears of one. Adjacent blocks of deep models are all alike.",
        .needs = "cca",
        .cost = [](const SensitivityRow& row, const SensitivityCell& cell) {
            return (1 - row.blockCca) * cell.weightError;
        }};
    return d;
}

} // namespace qs
