// SPDX-License-Identifier: Apache-2.0
// Attention that reads a token differently as it ages, and whose probabilities may be rounded: on the host,
// for measuring what a cache costs.
#pragma once

#include "core/model/kv_rounder.h"

#include <functional>
#include <span>

namespace qs {

/// What queries read of tokens from an age on, up to the next one's: q [T, heads d], k, v [T, kvHeads d].
struct AgedCache {
    size_t fromAge = 0;
    Tensor q, k, v;
};

/// Rotates a tensor of heads in place by its tokens' positions, or by `position` for all when given. Does
/// nothing in models without a rotary embedding.
using RotateHeads = std::function<Result<void>(Tensor& x, std::optional<size_t> position)>;

/// From q, k, v before the rotation: what `cache` makes of each range of ages, ascending from 0.
Result<std::vector<AgedCache>> ageCache(const KvRounder& cache, size_t windowLength, const Tensor& q,
                                        const Tensor& k, const Tensor& v, const RotateHeads& rotate,
                                        Backend& backend);

/// Is shown the probabilities [T, T] of one head of one context, a query a row, and may change them. Called
/// from several threads.
using ProbabilityVisitor = std::function<Result<void>(MatrixView probabilities)>;

/// Queries attend to the `count` > 0 tokens alone whose scores by the keys of `ages` are the highest (of
/// equals the later), with these queries and keys [T, heads d], [T, kvHeads d], which are rotated.
struct BestTokens {
    size_t count = 0;
    Tensor q, k;
};

/// As Backend::attention, out [T, heads d]: query i reads key and value j of the last entry of `ages` with
/// fromAge <= i - j. `ages` begins at 0; with more than one entry shape.causal must be set. `best`: null for
/// all tokens with the keys of `ages`.
Result<void> agedAttention(std::span<const AgedCache> ages, const AttentionShape& shape,
                           const ProbabilityVisitor& visit, Backend& backend, Tensor& out,
                           const BestTokens* best = nullptr);

} // namespace qs
