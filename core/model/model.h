// SPDX-License-Identifier: Apache-2.0
// Model: a checkpoint seen through its architecture: which tensors exist, what they do, which may be
// quantized.
#pragma once

#include "core/model/spec.h"
#include "core/text/tokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace qs {

struct PackedInfo;
class PackedReader;

/// A weight [rows, cols] that may be quantized, in model order.
struct QuantTarget {
    std::string module;
    std::string weight; ///< logical name: what WeightSource::matrix answers to
    WeightPlace place;  ///< where the checkpoint stores it
    size_t rows = 0, cols = 0;
    int block = -1; ///< -1: not in a block (tensor-level mode)
    std::string role, site, fusedGroup;
    /// How the checkpoint has quantized it already, so that it is not quantized from its values again; null
    /// when it is stored plainly.
    std::shared_ptr<const PackedInfo> packed = {};
};

/// Immutable and thread-safe.
class Model {
public:
    Model(std::shared_ptr<const Checkpoint> checkpoint, std::optional<ModelSpec> spec,
          std::string noForwardReason, std::shared_ptr<const Tokenizer> tokenizer,
          std::string noTokenizerReason);

    const Checkpoint& checkpoint() const { return *checkpoint_; }
    std::shared_ptr<const Checkpoint> checkpointPtr() const { return checkpoint_; }
    /// The forward pass is known. Otherwise the model is open at tensor level: inspection and data-free
    /// methods work.
    bool hasForward() const { return spec_.has_value(); }
    const ModelSpec& spec() const { return *spec_; }
    /// Why there is no forward pass / no tokenizer ("" when there is).
    const std::string& noForwardReason() const { return noForwardReason_; }
    const std::string& noTokenizerReason() const { return noTokenizerReason_; }
    std::shared_ptr<const Tokenizer> tokenizer() const { return tokenizer_; }
    /// Error::unsupported with the reason when there is no forward pass / no tokenizer.
    Result<void> requireForward() const;
    Result<void> requireTokenizer() const;

    const std::vector<QuantTarget>& targets() const { return targets_; }
    /// Weights that the checkpoint stores already quantized.
    const PackedReader& packed() const { return *packed_; }
    /// Weights, biases and gains; those that are stored packed count as what they stand for.
    uint64_t parameterCount() const { return parameterCount_; }
    /// nullptr when absent.
    const QuantTarget* findTarget(const std::string& module) const;
    /// Values of rows [firstRow, firstRow + out.rows) of a target; out.cols = target.cols.
    Result<void> readTargetRows(const QuantTarget& target, uint64_t firstRow, MatrixView out) const;
    /// All values of a target.
    Result<Matrix> readTarget(const QuantTarget& target) const;
    /// Bytes that the checkpoint stores for it: its share of a fused tensor, all parts of a packed one.
    uint64_t storedBytes(const QuantTarget& target) const;

private:
    std::shared_ptr<const Checkpoint> checkpoint_;
    std::shared_ptr<const PackedReader> packed_;
    std::optional<ModelSpec> spec_;
    std::string noForwardReason_, noTokenizerReason_;
    std::shared_ptr<const Tokenizer> tokenizer_;
    std::vector<QuantTarget> targets_;
    uint64_t parameterCount_ = 0;
};

/// A checkpoint that is open already, with the architecture and tokenizer that belong to it.
Result<std::shared_ptr<const Model>> openModel(std::shared_ptr<const Checkpoint> checkpoint);
/// Opens a folder or file: checkpoint, architecture (or the reason for tensor-level mode), tokenizer (or the
/// reason for none).
Result<std::shared_ptr<const Model>> openModel(const std::filesystem::path& path);

} // namespace qs
