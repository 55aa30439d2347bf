// SPDX-License-Identifier: Apache-2.0
// What a plan does, in a line and as a recipe.
#pragma once

#include "core/recipe/recipe.h"

namespace qs {

/// "int4 g128 sym, GPTQ; 3 of 28 tensors differ", "every tensor kept".
std::string planSummary(const Plan& plan);

/// Rules that give exactly this plan for its model: exceptions by name, then `*` with the scheme of most
/// tensors.
Recipe recipeOfPlan(const Plan& plan, const std::string& name);

/// Stored bits per weight of each entry, 0 for an empty tensor.
double storedBits(const PlanEntry& entry);

/// The plan's tensors by role and block: a row per role in the model's order, a column per block. A cell with
/// several tensors (experts) holds the mean of their bits; tensors outside of blocks have no cell.
struct BitsGrid {
    std::vector<std::string> roles;
    size_t blocks = 0;
    std::vector<double> bits; ///< [roles, blocks]; NaN where a block lacks the role
    double at(size_t role, size_t block) const { return bits[role * blocks + block]; }
};
BitsGrid bitsGrid(const Plan& plan);

} // namespace qs
