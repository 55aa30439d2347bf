// SPDX-License-Identifier: Apache-2.0
// What a run will say of itself, before it is made.
#pragma once

#include "core/run/run.h"

namespace qs {

/// The manifest of a run of `plan` made now. `calibration` and `importance` may be null; `backend`: its
/// description().
Result<RunManifest> plannedManifest(const Model& model, const Plan& plan, const Calibration* calibration,
                                    const ImportanceFile* importance, const std::string& backend);

} // namespace qs
