// SPDX-License-Identifier: Apache-2.0
// The source checkpoint with the tensors that a run's transforms changed: what exporters copy kept tensors
// from, and compare them with.
#pragma once

#include "core/run/run.h"

namespace qs {

/// Same tensors, names, types and shapes. The model's own checkpoint when the run changed nothing. Changed
/// tensors are not `verbatim`: their elements are computed. Corrupt when the run names a tensor that the
/// model does not store.
Result<std::shared_ptr<const Checkpoint>> runCheckpoint(const std::shared_ptr<const Model>& model,
                                                        const std::shared_ptr<const Run>& run);

} // namespace qs
