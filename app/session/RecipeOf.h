// SPDX-License-Identifier: GPL-3.0-or-later
// The rules that give exactly the present schemes of a table.
#pragma once

#include "app/session/SchemeBook.h"

#include <vector>

namespace qs::app {

/// Ordered rules: exceptions by name, then by module over all blocks, then `*`. `schemes` has one entry per
/// target of the model, null where it is kept. Any thread; 100k targets take a while.
Recipe recipeOf(const Model& model, const std::vector<SchemeBook::SchemePtr>& schemes,
                const PlanSettings& settings, const std::string& name);

} // namespace qs::app
