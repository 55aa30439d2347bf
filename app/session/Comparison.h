// SPDX-License-Identifier: GPL-3.0-or-later
// Original against quantized values of one tensor. Runs on a worker thread.
#pragma once

#include "app/session/Requests.h"
#include "core/base/job.h"
#include "core/metrics/weight_scan.h"
#include "core/quant/range/range_search.h"
#include "core/quant/transform/scaling.h"

namespace qs::app {

/// Largest tensor that is rounded for a preview, in weights.
inline constexpr size_t kPreviewLimit = size_t(64) << 20;

/// Widest Sigma that is read for a preview, in channels: above, it alone takes gigabytes.
inline constexpr size_t kSigmaLimit = 6144;

struct ComparisonInput {
    std::shared_ptr<const Model> model;
    int target = -1;
    std::shared_ptr<const Run> run;       ///< null: preview only
    std::shared_ptr<const Scheme> scheme; ///< null: kept, only the original is shown
    size_t bins = 512;
};

/// Some row or column has a factor.
inline bool isScaled(const TensorScaling& scaling) {
    return !scaling.rows.empty() || !scaling.columns.empty();
}

/// A tensor in codes and what stands behind it.
struct QuantizedTarget {
    std::shared_ptr<const QuantizedTensor> tensor;
    std::shared_ptr<const Codec> codec;
    QString label;        ///< "int4 g128 sym · GPTQ"
    bool preview = false; ///< not what a run wrote
};

/// What the run wrote for the target.
Result<QuantizedTarget> quantizedByRun(const Run& run, const QuantTarget& target);
/// The weight rounded to nearest in the scheme's format.
Result<QuantizedTarget> quantizedToNearest(ConstMatrixView weight, const Scheme& scheme, RangeChoice range,
                                           const JobContext& job);

/// With a run that holds the tensor: what it wrote. Else the scheme, rounded to nearest on the grids of its
/// range parameters. Streams over row blocks; a preview holds the tensor once and is refused above
/// kPreviewLimit.
Result<WeightComparison> compareWeights(const ComparisonInput& input, const JobContext& job);

/// Statistics of a target's weights; of packed ones, of their dequantized values.
Result<TensorStats> statsOfTarget(const Model& model, int target, const JobContext& job);
/// What the overview shows of it.
Result<WeightScan> scanOfTarget(const Model& model, int target, const JobContext& job);

} // namespace qs::app
