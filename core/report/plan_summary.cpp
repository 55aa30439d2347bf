// SPDX-License-Identifier: Apache-2.0
#include "core/report/plan_summary.h"

#include <cmath>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

std::string keyOf(const std::optional<Scheme>& scheme) {
    return scheme ? scheme->toJson().dump() : std::string();
}

/// The scheme of most tensors and how many have it; the first of equals.
std::pair<const PlanEntry*, size_t> mostCommon(const Plan& plan) {
    std::map<std::string, size_t> counts;
    for (const PlanEntry& e : plan.entries)
        ++counts[keyOf(e.scheme)];
    std::pair<const PlanEntry*, size_t> best{nullptr, 0};
    for (const PlanEntry& e : plan.entries)
        if (const size_t n = counts[keyOf(e.scheme)]; n > best.second) best = {&e, n};
    return best;
}

std::string schemeLabel(const std::optional<Scheme>& scheme) {
    if (!scheme) return "kept";
    const auto codec = createCodec(scheme->codec, scheme->codecParams);
    const auto method = findMethod(scheme->method);
    return fmt::format("{}, {}", codec ? (*codec)->label() : scheme->codec,
                       method ? (*method)->label : scheme->method);
}

} // namespace

std::string planSummary(const Plan& plan) {
    const auto [entry, count] = mostCommon(plan);
    if (!entry) return "no tensors";
    if (!entry->scheme && count == plan.entries.size()) return "every tensor kept";
    std::string text = schemeLabel(entry->scheme);
    if (const size_t others = plan.entries.size() - count; others > 0)
        text += fmt::format("; {} of {} tensors differ", others, plan.entries.size());
    return text;
}

Recipe recipeOfPlan(const Plan& plan, const std::string& name) {
    Recipe recipe;
    recipe.name = name;
    recipe.seed = plan.seed;
    const PlanEntry* common = mostCommon(plan).first;
    if (!common) return recipe;
    for (const PlanEntry& e : plan.entries)
        if (e.scheme != common->scheme) recipe.rules.push_back({e.target.module, e.scheme});
    recipe.rules.push_back({"*", common->scheme});
    return recipe;
}

double storedBits(const PlanEntry& entry) {
    const double weights = double(entry.target.rows) * double(entry.target.cols);
    return weights > 0 ? 8.0 * double(entry.bytesAfter) / weights : 0;
}

BitsGrid bitsGrid(const Plan& plan) {
    BitsGrid grid;
    std::map<std::string, size_t> rowOf;
    for (const PlanEntry& e : plan.entries) {
        if (e.target.block < 0) continue;
        grid.blocks = std::max(grid.blocks, size_t(e.target.block) + 1);
        if (rowOf.emplace(e.target.role, grid.roles.size()).second) grid.roles.push_back(e.target.role);
    }
    const size_t cells = grid.roles.size() * grid.blocks;
    grid.bits.assign(cells, 0.0);
    std::vector<size_t> counts(cells, 0);
    for (const PlanEntry& e : plan.entries) {
        if (e.target.block < 0) continue;
        const size_t cell = rowOf[e.target.role] * grid.blocks + size_t(e.target.block);
        grid.bits[cell] += storedBits(e);
        ++counts[cell];
    }
    for (size_t i = 0; i < cells; ++i)
        grid.bits[i] = counts[i] ? grid.bits[i] / double(counts[i]) : std::nan("");
    return grid;
}

} // namespace qs
