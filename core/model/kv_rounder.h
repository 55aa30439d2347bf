// SPDX-License-Identifier: Apache-2.0
// Rounding of the KV cache while a model runs: what attention reads of earlier tokens is what a cache in a
// number format of few bits would give back.
#pragma once

#include "core/backend/backend.h"
#include "core/model/cache_format.h"

#include <optional>

namespace qs {

/// Keys of an age (see KvRounder::Step) of `window` or more are read as if they were `position` tokens back,
/// whatever their place: without a rotation of their own, by queries rotated to `position` (A2ATS, He et al.
/// 2025, arXiv:2502.12665).
struct WindowedRope {
    size_t window = 64, position = 64;
    bool operator==(const WindowedRope&) const = default;
};

/// The cache of one block. Immutable and thread-safe.
struct KvRounder {
    /// What is done to tokens from an age on; the age of token i for the query of token t is t - i. A step
    /// rounds what the one before left, as a cache does that no longer has the originals.
    struct Step {
        size_t fromAge = 0;                              ///< the first step's: 0, or 1 to keep a token's own
        std::shared_ptr<const CacheFormat> keys, values; ///< null: nothing
    };
    std::vector<Step> steps;              ///< at least one, ascending
    bool beforeRotation = false;          ///< keys before the rotary embedding (KVQuant, Hooper et al. 2024,
                                          ///< arXiv:2401.18079): a runtime rotates what it reads
    size_t exactTokens = 0;               ///< the first tokens of a context are kept: attention sinks
    std::optional<WindowedRope> windowed; ///< with beforeRotation only
    /// A query attends to the so many tokens alone that score highest by rounded keys, with their exact keys;
    /// 0: to all, with rounded ones.
    size_t bestTokens = 0;

    /// Whether what a query reads depends on how old it is, or on what it is. Then
    /// core/model/aged_attention.h reads it.
    bool dependsOnQuery() const {
        return steps.size() > 1 || steps.front().fromAge > 0 || windowed || bestTokens > 0;
    }
    /// Names what it does: rounders that differ have different ones.
    std::string identity() const;
    /// x [tokens, kvHeads d] of whole contexts of `windowLength` tokens, in place, by `format`; null: nothing
    /// is done. See CacheFormat::round().
    Result<void> round(const CacheFormat* format, size_t windowLength, MatrixView x) const;
    Result<void> round(const CacheFormat* format, Backend& backend, size_t windowLength, Tensor& x) const;
};

} // namespace qs
