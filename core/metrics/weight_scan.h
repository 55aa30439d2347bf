// SPDX-License-Identifier: Apache-2.0
// What an overview shows of every matrix of a model, in one pass about as fast as memory is read.
// Percentiles, moments of channels and the histogram of one matrix are tensorStats()'s.
#pragma once

#include "core/base/job.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace qs {

/// NaN and infinities are counted and left out; a matrix without finite values is all 0.
struct WeightScan {
    double absmax = 0, mean = 0;
    double stddev = 0, kurtosis = 0; ///< population moments, as in ChannelStats; relative error below 1e-5
    uint64_t count = 0, notFinite = 0;
    std::vector<float> outputAbsmax, inputAbsmax; ///< per row, per column
};

/// Fills rows from `firstRow` on. Called on several threads at once.
using RowReader = std::function<Result<void>(uint64_t firstRow, MatrixView out)>;

/// Sums of products are float32 over at most 4096 values and float64 beyond, about the mean of a few rows;
/// once more about the mean itself where that was far off. The result does not depend on the number of
/// threads, but its last digits do on the processor's vectors. A stop request is answered within 2^22 values.
Result<WeightScan> scanWeights(size_t rows, size_t cols, const RowReader& readRows, const JobContext& job);
Result<WeightScan> scanWeights(ConstMatrixView m, const JobContext& job);

} // namespace qs
