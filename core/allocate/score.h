// SPDX-License-Identifier: Apache-2.0
// Score registry: one entry per way of telling from a sensitivity table what a scheme on one linear does to
// the model (scores.def + scores/<id>.cpp). Scores of different linears add up: that is what allocators
// minimize.
#pragma once

#include "core/allocate/sensitivity.h"

namespace qs {

struct ScoreDescriptor {
    std::string id; ///< stored on disk, never renamed
    std::string label, summary, citation;
    std::string validity; ///< where the sum can be trusted
    /// What has to be measured: a name of namedMeasures(), or words for error texts.
    std::string needs;
    bool isLoss = false; ///< a sum of scores is an increase of the loss, nats per token
    /// >= 0; NaN when what it needs is not measured.
    double (*cost)(const SensitivityRow& row, const SensitivityCell& cell) = nullptr;
    /// Standard error of the cost, from the measurement alone: that costs add up is another matter. NaN when
    /// it is not known; null: never.
    double (*uncertainty)(const SensitivityRow& row, const SensitivityCell& cell) = nullptr;
};

std::span<const ScoreDescriptor* const> scores();
/// NotFound lists the known ids.
Result<const ScoreDescriptor*> findScore(const std::string& id);

/// What can be measured beside the errors of weights and outputs, by name, and where a request asks for it.
std::vector<std::pair<std::string, bool*>> namedMeasures(SensitivityRequest& request);
/// Asks for what the score needs, and nothing else.
SensitivityRequest requestFor(const ScoreDescriptor& score);

} // namespace qs
