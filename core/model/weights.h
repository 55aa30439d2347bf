// SPDX-License-Identifier: Apache-2.0
// WeightSource: where the forward pass takes its weights from: a checkpoint, or a run laid over one.
#pragma once

#include "core/model/model.h"

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

/// Weights of a checkpoint. Packed GPTQ linears (X.qweight, X.qzeros, X.scales, X.g_idx) answer to
/// "X.weight".
std::shared_ptr<const WeightSource> checkpointWeights(std::shared_ptr<const Checkpoint> checkpoint);

} // namespace qs
