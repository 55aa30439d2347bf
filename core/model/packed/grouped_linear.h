// SPDX-License-Identifier: Apache-2.0
// GroupedLinear: what all layouts share whose scales form a grid over the weight. A layout only says how
// codes and scales are unpacked.
#pragma once

#include "core/model/packed/packed_parts.h"

namespace qs {

class GroupedLinear : public PackedLinear {
public:
    Result<PackedScales> scales() const final { return readScales(0, info_.scaleRows); }

protected:
    using PackedLinear::PackedLinear;
    Result<void> unpackRows(size_t firstRow, MatrixView out) const final;
    /// Rows [first, first + count) of the grid of scales, checked.
    virtual Result<PackedScales> readScales(size_t first, size_t count) const = 0;
    /// What each code stands for; empty: the code itself.
    virtual std::span<const float> levels() const { return {}; }
};

/// Scales [count, groups] of a tensor stored as the grid itself.
Result<Matrix> readGridRows(const Checkpoint& checkpoint, size_t tensor, const PackedInfo& info, size_t first,
                            size_t count);
/// An I32 tensor [info.in] of group indices; Corrupt when one is not in 0 .. groups - 1.
Result<std::vector<int32_t>> readGroupIndex(const Checkpoint& checkpoint, size_t tensor,
                                            const PackedInfo& info);

} // namespace qs
