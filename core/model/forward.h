// SPDX-License-Identifier: Apache-2.0
// The forward pass of a ModelSpec on a Backend, one block at a time, so that a model larger than memory can
// be run.
#pragma once

#include "core/backend/backend.h"
#include "core/base/job.h"
#include "core/model/activation_store.h"
#include "core/model/weights.h"

#include <functional>

namespace qs {

/// Weights of one linear on the device; `bias.buffer` is null when there is none.
struct DeviceLinear {
    Tensor weight, bias;
};

struct DeviceBlock {
    Tensor attentionNorm, mlpNorm;
    DeviceLinear q, k, v, o, gate, up, down;
    /// By role ("q", "down", ...).
    DeviceLinear& linear(const std::string& role);
};

/// Receives the input of a site: x [tokens, channels]. An error stops the pass.
using SiteHook = std::function<Result<void>(const std::string& site, const Tensor& x)>;

/// Not thread-safe (the backend is not).
class Forward {
public:
    static Result<Forward> create(const ModelSpec& spec, Backend& backend, size_t windowLength);

    Result<DeviceBlock> loadBlock(size_t index, const WeightSource& weights) const;
    /// hidden [tokens, hidden] <- block(hidden); tokens is a multiple of the window length.
    Result<void> runBlock(size_t index, const DeviceBlock& block, Tensor& hidden, const SiteHook& hook = {});
    /// The same over all rows of a store, in batches of whole windows; one report per batch.
    Result<void> runBlock(size_t index, const DeviceBlock& block, ActivationStore& hidden,
                          const SiteHook& hook, bool keepInputs, const JobContext& job);

    /// Rows of the embedding for `ids`, into out [ids, hidden].
    Result<void> embed(std::span<const int32_t> ids, const WeightSource& weights, ActivationStore& out) const;

    const ModelSpec& spec() const { return *spec_; }
    Backend& backend() const { return *backend_; }
    size_t windowLength() const { return windowLength_; }
    /// Rows per batch: whole windows, about 2048 tokens.
    size_t batchRows(size_t totalRows) const;

private:
    Forward() = default;
    Result<void> attentionPart(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden,
                               const SiteHook& hook);
    Result<void> mlpPart(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden, const SiteHook& hook);

    const ModelSpec* spec_ = nullptr;
    Backend* backend_ = nullptr;
    size_t windowLength_ = 0;
    RopeTable rope_;
};

/// The final norm and the head.
class Head {
public:
    static Result<Head> create(const ModelSpec& spec, const WeightSource& weights, Backend& backend);
    /// logits [rows, vocabulary] of hidden [rows, hidden].
    Result<Matrix> logits(ConstMatrixView hidden);

private:
    Head() = default;
    Backend* backend_ = nullptr;
    double eps_ = 0;
    Tensor norm_, weight_;
};

/// Logits [ids, vocabulary] of one context.
Result<Matrix> computeLogits(const ModelSpec& spec, const WeightSource& weights, std::span<const int32_t> ids,
                             Backend& backend, const JobContext& job);

} // namespace qs
