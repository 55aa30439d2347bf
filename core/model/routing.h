// SPDX-License-Identifier: Apache-2.0
// Which tokens a mixture of experts sends where.
#pragma once

#include "core/tensor/matrix.h"

#include <cstdint>
#include <vector>

namespace qs {

/// The tokens of one expert, ascending, and the factor of its output for each.
struct ExpertTokens {
    std::vector<uint32_t> tokens;
    std::vector<float> weights;
};

/// scores [tokens, experts] -> one entry per expert. p = softmax(scores) over all experts in float32; each
/// token goes to the topK largest (of equal ones the first), with p as its factor, or p / (sum of the chosen
/// p) when `renormalize`. 1 <= topK <= experts.
std::vector<ExpertTokens> routeTokens(ConstMatrixView scores, size_t topK, bool renormalize);

} // namespace qs
