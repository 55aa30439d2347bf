// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/next_steps.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace qs {

namespace {

/// Bytes and cost of some rows, each with its own candidate.
struct Standing {
    uint64_t bytes = 0;
    double cost = 0;
    /// False when the row cannot have it or its cost is not known.
    bool add(const SensitivityRow& row, size_t candidate, const ScoreDescriptor& score) {
        const SensitivityCell& cell = row.cells[candidate];
        const double more = score.cost(row, cell);
        bytes += cell.bytes;
        cost += more;
        return cell.legal() && std::isfinite(more);
    }
};

std::optional<NextStep> bestStep(const SensitivityTable& table, const ScoreDescriptor& score,
                                 PresentCandidates present, std::span<const char> fixed,
                                 std::vector<size_t> rows) {
    Standing now;
    for (const size_t r : rows)
        if (fixed[r] || !present[r] || !now.add(table.rows[r], *present[r], score)) return std::nullopt;
    std::optional<NextStep> best;
    for (size_t c = 0; c < table.candidates.size(); ++c) {
        Standing then;
        if (!std::all_of(rows.begin(), rows.end(),
                         [&](size_t r) { return then.add(table.rows[r], c, score); }))
            continue;
        if (then.bytes <= now.bytes || !(then.cost < now.cost)) continue;
        NextStep step{rows, c, then.bytes - now.bytes, now.cost - then.cost};
        if (!best || step.perMiB() > best->perMiB()) best = std::move(step);
    }
    return best;
}

} // namespace

std::vector<NextStep> nextSteps(const SensitivityTable& table, const ScoreDescriptor& score,
                                PresentCandidates present, std::span<const char> fixed,
                                const std::vector<std::vector<std::string>>& tied) {
    std::vector<NextStep> out;
    std::vector<char> inTie(table.rows.size(), 0);
    const auto add = [&](std::vector<size_t> rows) {
        if (auto step = bestStep(table, score, present, fixed, std::move(rows)))
            out.push_back(std::move(*step));
    };
    std::unordered_map<std::string_view, size_t> rowOf;
    for (size_t r = 0; r < table.rows.size() && !tied.empty(); ++r)
        rowOf[table.rows[r].module] = r;
    for (const std::vector<std::string>& modules : tied) {
        std::vector<size_t> rows;
        for (const std::string& module : modules)
            if (const auto it = rowOf.find(module); it != rowOf.end()) rows.push_back(it->second);
        for (const size_t r : rows)
            inTie[r] = 1;
        if (!rows.empty()) add(rows);
    }
    for (size_t r = 0; r < table.rows.size(); ++r)
        if (!inTie[r]) add({r});
    std::stable_sort(out.begin(), out.end(),
                     [](const NextStep& a, const NextStep& b) { return a.perMiB() > b.perMiB(); });
    return out;
}

} // namespace qs
