// SPDX-License-Identifier: Apache-2.0
// Rounding of the KV cache while a model runs: what attention reads of earlier tokens is what a cache in a
// number format of few bits would give back.
#pragma once

#include "core/backend/backend.h"
#include "core/codec/row_rounder.h"

namespace qs {

/// Immutable and thread-safe.
struct KvRounder {
    std::shared_ptr<const RowRounder> keys, values; ///< null: as they are
    /// Keys are rounded channel by channel over runs of kRun tokens, as KIVI does it (Liu et al. 2024,
    /// arXiv:2402.02750): the last, unfinished run of a context is kept. Else token by token, as values are.
    bool keysPerChannel = false;
    bool beforeRotation = false; ///< keys before the rotary embedding (KVQuant, Hooper et al. 2024,
                                 ///< arXiv:2401.18079): a runtime rotates what it reads
    size_t exactTokens = 0;      ///< the first tokens of a context are kept: attention sinks

    static constexpr size_t kRun = 32;

    /// k and v [tokens, kvHeads d] of whole contexts of `windowLength` tokens, in place. InvalidArgument when
    /// groups do not divide a row, or a value is not finite.
    Result<void> roundKeys(Backend& backend, size_t windowLength, Tensor& k) const;
    Result<void> roundValues(Backend& backend, size_t windowLength, Tensor& v) const;
};

} // namespace qs
