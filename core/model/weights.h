// SPDX-License-Identifier: Apache-2.0
// WeightSource: where the forward pass takes its weights from: a checkpoint, or a run laid over one.
#pragma once

#include "core/model/model.h"

#include <functional>

namespace qs {

/// Thread-safe.
class WeightSource {
public:
    virtual ~WeightSource() = default;
    /// Dequantized values of a tensor by stored name, [rows, cols].
    virtual Result<Matrix> matrix(const std::string& tensor) const = 0;
    /// Identifies the weights; results are compared only with this recorded.
    virtual std::string fingerprint() const = 0;
    virtual std::string label() const = 0;
};

/// Weights of a checkpoint. Linears that it stores packed (see packed/packed_linear.h) answer to "X.weight"
/// with their dequantized values.
std::shared_ptr<const WeightSource> checkpointWeights(std::shared_ptr<const Checkpoint> checkpoint);

/// Fills rows [firstRow, firstRow + out.rows) of a weight.
using RowReader = std::function<Result<void>(uint64_t firstRow, MatrixView out)>;
/// Rows of a target, [rows, cols], stored plainly or packed. The model must outlive the reader. Thread-safe.
Result<RowReader> targetRows(const Model& model, const QuantTarget& target);

} // namespace qs
