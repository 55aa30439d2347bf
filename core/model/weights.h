// SPDX-License-Identifier: Apache-2.0
// WeightSource: where the forward pass takes its weights from: a checkpoint, or a run laid over one.
#pragma once

#include "core/codec/row_rounder.h"
#include "core/model/kv_rounder.h"
#include "core/model/model.h"

#include <functional>

namespace qs {

/// Thread-safe.
class WeightSource {
public:
    virtual ~WeightSource() = default;
    /// Dequantized values by logical name: a linear's weight [out, in] or bias [1, out] by LinearSpec::weight
    /// and bias, any other tensor [rows, cols] by its stored name.
    virtual Result<Matrix> matrix(const std::string& name) const = 0;
    /// What rounds the inputs of the linear with this weight; null: nothing does. Unsupported or Corrupt when
    /// the checkpoint asks for a rounding that is not done here, or does not say how.
    virtual Result<std::shared_ptr<const RowRounder>> inputRounder(const std::string& weight) const {
        (void)weight;
        return std::shared_ptr<const RowRounder>();
    }
    /// What rounds its outputs; null: nothing does.
    virtual std::shared_ptr<const RowRounder> outputRounder(const std::string& weight) const {
        (void)weight;
        return nullptr;
    }
    /// What rounds the KV cache of the attention whose keys this weight computes; null: nothing does.
    virtual std::shared_ptr<const KvRounder> kvRounder(const std::string& keyWeight) const {
        (void)keyWeight;
        return nullptr;
    }
    /// What rounds its probabilities, the row of a query by itself; null: nothing does.
    virtual std::shared_ptr<const RowRounder> probabilityRounder(const std::string& keyWeight) const {
        (void)keyWeight;
        return nullptr;
    }
    /// Identifies the weights; results are compared only with this recorded.
    virtual std::string fingerprint() const = 0;
    virtual std::string label() const = 0;
};

/// The tensors of a checkpoint by stored name; a linear X that it stores packed (see packed/packed_linear.h)
/// answers to "X.weight" with its dequantized values, and has its inputs rounded as its runtime does.
std::shared_ptr<const WeightSource> checkpointWeights(std::shared_ptr<const Checkpoint> checkpoint);
/// The same with the logical weights of the model's linears: parts of fused tensors, transposed ones.
std::shared_ptr<const WeightSource> modelWeights(const Model& model);

} // namespace qs
