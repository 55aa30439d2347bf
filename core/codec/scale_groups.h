// SPDX-License-Identifier: Apache-2.0
// What formats share that keep one scale of 16 or 32 bits for a group of inputs, a row or the whole matrix
// and find it from all values, not from their range.
#pragma once

#include "core/codec/level_codec.h"

namespace qs {

/// The parameters "group" and "scale_dtype".
struct ScaleGroups {
    long long size = 0; ///< inputs that share a scale; -1: those of a row, 0: the whole matrix
    DType type = DType::F16;

    static ParamSpec sizeParam(long long standard, std::string help);
    static ParamSpec typeParam();
    static ScaleGroups of(const Params& params);

    Result<GroupLayout> layout(size_t rows, size_t cols) const;
    /// Codec::fitColumns. Where a row or all rows share a scale: more than any row has.
    size_t fitColumns() const;
    std::string label() const; ///< "g64", "channel", "tensor"

    float stored(float scale) const { return storedScale(scale, type); }
    bool isStorable(float scale) const { return scale > 0 && stored(scale) == scale; }
    std::string rule() const;                        ///< what isStorable() asks for
    uint64_t bits(const GroupLayout& layout) const { ///< of all scales
        return uint64_t(layout.scaleRows) * layout.groups * uint64_t(dtypeInfo(type).bits);
    }
};

/// A format with a table of values whose scale is a statistic of its group. With a search it is 0.4 to 2
/// times that, in steps of 0.02, by the least squared error.
class GroupedLevelCodec : public LevelCodec {
public:
    DType scaleType() const final { return groups_.type; }
    Result<GroupLayout> layout(size_t rows, size_t cols) const final { return groups_.layout(rows, cols); }
    size_t fitColumns() const final { return groups_.fitColumns(); }
    void fitBlock(std::span<const float> values, std::span<const float> importance, const FitRule& rule,
                  QuantizedTensor& q, size_t row, size_t column) const final;

protected:
    GroupedLevelCodec(Params params, const Levels& levels, ScaleGroups groups)
        : LevelCodec(std::move(params), levels), groups_(groups) {}

    /// The statistic. At least one value.
    virtual float statistic(std::span<const float> values) const = 0;

    const ScaleGroups& groups() const { return groups_; }
    uint64_t scaleBits(const GroupLayout& l) const final { return groups_.bits(l); }
    bool isStorable(const QuantizedTensor&, size_t, size_t, float scale) const final {
        return groups_.isStorable(scale);
    }
    std::string scaleRule() const final { return groups_.rule(); }

private:
    ScaleGroups groups_;
};

} // namespace qs
