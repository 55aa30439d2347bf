// SPDX-License-Identifier: GPL-3.0-or-later
// Original against quantized values of one tensor. Runs on a worker thread.
#pragma once

#include "app/session/Requests.h"
#include "core/base/job.h"

namespace qs::app {

struct ComparisonInput {
    std::shared_ptr<const Model> model;
    int target = -1;
    std::shared_ptr<const Run> run;       ///< null: preview only
    std::shared_ptr<const Scheme> scheme; ///< null: kept, only the original is shown
    size_t bins = 512;
};

/// With a run that holds the tensor: what it wrote. Else the scheme, rounded to nearest by the registry's
/// first data-free method. Streams over row blocks; a preview holds the tensor once and is refused above 64
/// Mi weights.
Result<WeightComparison> compareWeights(const ComparisonInput& input, const JobContext& job);

/// Statistics of a target's weights; of packed ones, of their dequantized values.
Result<TensorStats> statsOfTarget(const Model& model, int target, const JobContext& job);

} // namespace qs::app
