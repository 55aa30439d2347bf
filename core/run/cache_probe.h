// SPDX-License-Identifier: Apache-2.0
// What the scheme of a KV cache asks of one block, measured while the original model runs over a text.
#pragma once

#include "core/model/device_block.h"
#include "core/model/spec.h"
#include "core/recipe/kv_scheme.h"

namespace qs {

/// Rows [tokens, channels]: their extremes, and an even sample of at most 16384 of them.
class CacheRows {
public:
    /// Of `total` rows in contexts of `window`, whose first `exact` do not count.
    CacheRows(size_t channels, size_t window, size_t exact, size_t total);
    /// Whole contexts. InvalidArgument when a value is not finite.
    Result<void> add(ConstMatrixView rows);

    ConstMatrixView sample() const { return {sample_.data(), sample_.size() / channels_, channels_}; }
    const ChannelRange& range() const { return range_; } ///< empty before a row counted
    /// Without the share `outside` of the sample, half of it at each end.
    ChannelRange quantiles(double outside) const;

private:
    size_t window_, exact_, channels_, stride_ = 1, seen_ = 0;
    ChannelRange range_;
    std::vector<float> sample_;
};

/// Everything must outlive it. Not thread-safe.
class CacheProbe {
public:
    /// `total` tokens in windows of `window`.
    CacheProbe(const ModelSpec& spec, size_t block, const KvScheme& scheme, size_t window, size_t total,
               Backend& backend);
    /// x: the input of attention.
    Result<void> input(const DeviceAttention& w, const Tensor& x);
    /// As BlockWatch::attention shows them.
    Result<void> rotated(const Tensor& q, const Tensor& k);
    Result<CacheFindings> result(const JobContext& job) const;

private:
    Result<Tensor> project(const DeviceLinear& linear, const Tensor& x, const DeviceNorm* norm) const;
    Result<void> addProjected(const DeviceLinear& linear, const Tensor& x, const DeviceNorm* norm,
                              CacheRows& rows) const;
    Result<void> addQueries(const Tensor& q);

    const ModelSpec& spec_;
    const AttentionSpec& attention_;
    const KvScheme& scheme_;
    size_t window_;
    Backend& backend_;
    CacheRows keys_, values_;
    MatrixD metric_; ///< [kvHeads d, d]: sum of q q^T
};

} // namespace qs
