// SPDX-License-Identifier: Apache-2.0
// The forward pass of a ModelSpec on a Backend, one block at a time, so that a model larger than memory can
// be run.
#pragma once

#include "core/backend/backend.h"
#include "core/base/job.h"
#include "core/model/activation_store.h"
#include "core/model/embedding.h"

#include <functional>

namespace qs {

/// Receives the input of a site: x [tokens, channels]; of an expert's site only the tokens sent to it. An
/// error stops the pass.
using SiteHook = std::function<Result<void>(const std::string& site, const Tensor& x)>;

enum class BlockHalf { Attention, FeedForward };

/// What a pass shows of a block beside the inputs of its sites. Empty members are not called; an error stops
/// the pass.
struct BlockWatch {
    /// What the scores are made from, after norms and rotation: q [tokens, heads d], k [tokens, kvHeads d].
    std::function<Result<void>(const Tensor& q, const Tensor& k, const AttentionShape& shape)> attention;
    /// y [tokens, hidden]: what a half computes, before its output norm: what its o_proj or down_proj gives.
    std::function<Result<void>(BlockHalf half, const Tensor& y)> output;
    /// The residual stream [tokens, hidden] once a half is in it. A parallel block adds attention first.
    std::function<Result<void>(BlockHalf half, const Tensor& hidden)> residual;
};

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

    /// Hidden states of `ids` before the first block, into out [ids, hidden].
    Result<void> embed(std::span<const int32_t> ids, const WeightSource& weights, ActivationStore& out) const;

    /// Shown every block that runs from now on.
    void watch(BlockWatch watch) { watch_ = std::move(watch); }

    const ModelSpec& spec() const { return *spec_; }
    Backend& backend() const { return *backend_; }
    size_t windowLength() const { return windowLength_; }
    /// Rows per batch: whole windows, about 2048 tokens.
    size_t batchRows(size_t totalRows) const;

private:
    Forward() = default;
    /// y [tokens, hidden] = the block's attention, or its feed-forward half, of x.
    Result<void> attention(const AttentionSpec& a, const DeviceAttention& w, const Tensor& x, Tensor& y,
                           const SiteHook& hook);
    /// out = softmax(q k^T) v of keys and values that are not in the cache yet, as w.cache and
    /// w.probabilities have it. Rotates q and k, rounds k and v.
    Result<void> attend(const AttentionSpec& a, const DeviceAttention& w, Tensor& q, Tensor& k, Tensor& v,
                        Tensor& out);
    Result<void> rotate(const AttentionSpec& a, Tensor& x, std::optional<size_t> position) const;
    Result<AttentionShape> shapeOf(const AttentionSpec& a) const;
    Result<void> feedForward(const BlockSpec& b, const DeviceBlock& w, const Tensor& x, Tensor& y,
                             const SiteHook& hook);
    Result<void> mlp(const MlpSpec& m, const DeviceMlp& w, const Tensor& x, Tensor& y, const SiteHook& hook);
    /// y is zero on entry.
    Result<void> mixture(const MixtureSpec& m, const DeviceMixture& w, const Tensor& x, Tensor& y,
                         const SiteHook& hook);
    Result<void> sequentialBlock(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden,
                                 const SiteHook& hook);
    Result<void> parallelBlock(const BlockSpec& b, const DeviceBlock& w, Tensor& hidden,
                               const SiteHook& hook);
    Result<void> showOutput(BlockHalf half, const Tensor& y) const;
    Result<void> showResidual(BlockHalf half, const Tensor& hidden) const;

    const ModelSpec* spec_ = nullptr;
    Backend* backend_ = nullptr;
    size_t windowLength_ = 0;
    BlockWatch watch_;
    std::vector<RopeTable> ropes_; ///< of spec().ropes
};

/// Logits [ids, vocabulary] of one context.
Result<Matrix> computeLogits(const ModelSpec& spec, const WeightSource& weights, std::span<const int32_t> ids,
                             Backend& backend, const JobContext& job);

} // namespace qs
