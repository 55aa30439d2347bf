// SPDX-License-Identifier: Apache-2.0
// What more bytes would recover, linear by linear.
#pragma once

#include "core/allocate/score.h"

#include <optional>
#include <span>

namespace qs {

/// One linear, or several that are tied, with a larger candidate.
struct NextStep {
    std::vector<size_t> rows; ///< of the table
    size_t candidate = 0;
    uint64_t bytes = 0;   ///< more than now
    double recovered = 0; ///< of the score: what the present schemes cost more
    double perMiB() const { return recovered / double(bytes) * 0x1p20; }
};

/// The candidate that a row has; none: kept, or unknown to the table.
using PresentCandidates = std::span<const std::optional<size_t>>;

/// For every item the step that recovers most per byte, best first. Modules in `tied` take steps together,
/// from whatever each has; an item with a row that is `fixed`, has no candidate or no cost takes none.
/// Complexity: rows x candidates.
std::vector<NextStep> nextSteps(const SensitivityTable& table, const ScoreDescriptor& score,
                                PresentCandidates present, std::span<const char> fixed,
                                const std::vector<std::vector<std::string>>& tied);

} // namespace qs
