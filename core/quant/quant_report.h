// SPDX-License-Identifier: Apache-2.0
// QuantReport: what quantizing did to one matrix, for looking at: histograms before and after, where the
// error is, which weights lie outside the grid. Works on what a method or a run made and on what-ifs alike;
// the error is always that of the dequantized values.
#pragma once

#include "core/base/job.h"
#include "core/metrics/channel_stats.h"
#include "core/quant/method.h"
#include "core/quant/sigma_weights.h"

#include <functional>

namespace qs {

/// Rows [first, first + count) of the weight. The view stays valid until the next call.
using WeightRows = std::function<Result<ConstMatrixView>(size_t first, size_t count)>;

/// Of a matrix in memory, which must outlive the function.
WeightRows rowsOf(ConstMatrixView weight);

struct QuantReportInput {
    size_t rows = 0, cols = 0; ///< both > 0
    WeightRows weight;
    const QuantizedTensor* tensor = nullptr; ///< [rows, cols]; null: kept, only `original` is filled
    const Codec* codec = nullptr;            ///< of `tensor`
    /// The grid that code units are counted on; null: the tensor's own. Same layout.
    const QuantizedTensor* axis = nullptr;
    const SigmaWeights* sigma = nullptr; ///< [cols, cols]; null: no output error
    size_t bins = 512;                   ///< of the histograms in weight units, 1 .. 2^20
};

/// One row's share of one column group.
struct GroupError {
    size_t row = 0, group = 0;
    double relative = 0;     ///< ||e|| / ||w|| over the group's weights
    size_t scaleChannel = 0; ///< column of its largest |w|: with a min-max grid, what sets the scale
};

struct QuantReport {
    size_t rows = 0, cols = 0;
    GroupLayout layout; ///< of the tensor; groups = 0 when kept

    /// Weight units: w and w' over the same bins. The range is that of the weights, with 0, made symmetric
    /// for a symmetric codec: where clip lines may stand. Non-finite weights are counted apart and left out
    /// of everything.
    Histogram original, quantized;
    Histogram errors; ///< w' - w over [-max |e|, max |e|]
    /// Code units u = w / scale + zero (integer codes: u = q). An odd number of bins per code, so that a code
    /// is the middle of a bin; at most 1024 bins and four grids wide: what lies further out is counted as
    /// below or above.
    Histogram originalCodes, quantizedCodes;

    QuantError error;     ///< output = -1 without Sigma
    double cosine = 1;    ///< <w, w'> / (||w|| ||w'||); 1 when both are 0
    uint64_t clipped = 0; ///< weights further outside the outermost level than half a step (and 2^-10 of
                          ///< themselves: the rounding of the stored scale)
    int codesUsed = 0, levels = 0;

    Matrix groupError;  ///< [rows, groups]: ||e|| / ||w||; NaN for an error on weights that are all 0
    Matrix groupSquare; ///< [rows, groups]: ||e||^2
    std::vector<double>
        groupShare; ///< [groups] share of the output error, or of ||E||^2 without Sigma; sums to 1
    std::vector<GroupError> worst; ///< by groupError, largest first, at most kWorst
    std::vector<float> columnRms;  ///< [cols] root mean square of w' - w
    std::vector<float> columnMax;  ///< [cols] max |w'|

    static constexpr size_t kWorst = 20;
};

/// Reads the weight twice, in blocks that hear a stop request. Deterministic.
Result<QuantReport> reportQuantized(const QuantReportInput& input, const JobContext& job);

} // namespace qs
