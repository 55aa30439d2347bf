// SPDX-License-Identifier: Apache-2.0
// What a plan needs of what it is run with.
#pragma once

#include "core/run/run.h"

namespace qs {

/// Its method must see the inputs, or be told how active they are.
bool needsInputs(const PlanEntry& e);
/// The calibration was made from activations that another program recorded: there are no tokens to run, so
/// every block sees the inputs that the original model had.
bool isRecorded(const Calibration* calibration);
/// InvalidArgument when the plan has errors, or cannot be run with these; both may be null.
Result<void> checkPlan(const Model& model, const Plan& plan, const Calibration* calibration,
                       const ImportanceFile* importance);

} // namespace qs
