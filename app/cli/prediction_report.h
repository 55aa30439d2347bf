// SPDX-License-Identifier: Apache-2.0
// `allocate --check`: random recipes measured, beside what a score predicts of them.
#pragma once

#include "app/cli/command.h"
#include "core/allocate/prediction_check.h"

namespace qs::cli {

/// Measures `count` random recipes of the table, by its seed, and prints points, rank correlation and ratio.
/// InvalidArgument when nothing is measured that the score needs.
Result<void> reportPredictions(Session& session, const SensitivityTable& table, const ScoreDescriptor& score,
                               PlanMeasure& measure, size_t count);

} // namespace qs::cli
