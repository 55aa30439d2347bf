// SPDX-License-Identifier: Apache-2.0
// Super weights (Yu et al. 2024, "The Super Weight in Large Language Models", arXiv 2411.07191): a single
// weight of a down_proj that makes a massive activation of a massive input.
#pragma once

#include "core/base/result.h"
#include "core/metrics/massive_activations.h"

#include <functional>
#include <string>
#include <vector>

namespace qs {

/// The strongest term of one large output of a down_proj: y[token, row] = sum_j w[row, j] x[token, j] (+
/// bias).
struct DownSpike {
    size_t block = 0;
    std::string module, weight;            ///< of the down_proj: its name in recipes, its logical weight name
    size_t token = 0, row = 0, column = 0; ///< column: the j with the largest |w x|
    double w = 0, x = 0, y = 0;
    double medianX = 0, medianY = 0; ///< medianMagnitude of the layer's inputs and outputs
    double contribution() const { return w * x; }
    double share() const { return y != 0 ? w * x / y : 0; } ///< of the output; near 1 when it is alone
};

/// x [tokens, in] and y [tokens, out] of one down_proj. The `limit` output channels with the largest |y|,
/// each at its largest token; `row(r)` gives row r of the weight [in].
Result<std::vector<DownSpike>> downSpikes(ConstMatrixView x, ConstMatrixView y, size_t limit,
                                          const std::function<Result<std::vector<float>>(size_t row)>& row);

/// The publication's two spikes as a rule: input and output are massive, and the one weight makes at least
/// half of the output. By |contribution|, largest first.
bool isSuperWeight(const DownSpike& spike, const MassiveRule& rule);
std::vector<DownSpike> superWeights(const std::vector<DownSpike>& spikes, const MassiveRule& rule);

} // namespace qs
