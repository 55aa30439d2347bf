// SPDX-License-Identifier: Apache-2.0
// The two ends of a model: token ids to hidden states, hidden states to logits.
#pragma once

#include "core/model/device_block.h"

namespace qs {

/// The tables of an EmbeddingSpec, loaded.
class Embedding {
public:
    static Result<Embedding> load(const ModelSpec& spec, const WeightSource& weights, Backend& backend);

    /// out [ids, hidden]: hidden states of `ids`; id i has position i % windowLength. InvalidArgument for an
    /// id outside the vocabulary and a window longer than the table of learned positions.
    Result<void> embed(std::span<const int32_t> ids, size_t windowLength, MatrixView out);

private:
    Embedding() = default;
    Result<void> lookUp(std::span<const int32_t> ids, size_t first, MatrixView out);

    const EmbeddingSpec* spec_ = nullptr;
    Backend* backend_ = nullptr;
    Matrix tokens_, positions_, types_;
    DeviceNorm norm_;
    Tensor projection_;
};

/// The final norm and the output head.
class Head {
public:
    /// Unsupported when the checkpoint has no output head.
    static Result<Head> create(const ModelSpec& spec, const WeightSource& weights, Backend& backend);
    /// Logits [rows, vocabulary] of hidden [rows, hidden], in the backend's memory.
    Result<Tensor> apply(ConstMatrixView hidden);
    Result<Matrix> logits(ConstMatrixView hidden);

private:
    Head() = default;
    const HeadSpec* spec_ = nullptr;
    Backend* backend_ = nullptr;
    DeviceNorm norm_, transformNorm_;
    DeviceLinear transform_, output_;
    Tensor projection_;
};

} // namespace qs
