// SPDX-License-Identifier: Apache-2.0
// Range search: which interval of a group's values the grid covers.
#pragma once

#include "core/codec/codec.h"

#include <span>

namespace qs {

enum class RangeRule {
    MinMax, ///< the values' own range
    Mse,    ///< the shrunk range p * [min, max], p = 1 - i/100, i = 0..79, with the least sum |w' - w|^2.4
            ///< (GPTQ's `mse` option)
};

/// Reads a method's "range" parameter ("minmax", "mse").
RangeRule rangeRuleFromId(const std::string& id);
ParamSpec rangeParam();

/// Scale and zero for one group of finite values. `scratch` avoids allocations between calls.
class RangeSearch {
public:
    RangeSearch(const Codec& codec, RangeRule rule) : codec_(codec), rule_(rule) {}
    void fit(std::span<const float> values, float& scale, float& zero);

private:
    double loss(std::span<const float> values, float scale, float zero);

    const Codec& codec_;
    RangeRule rule_;
    std::vector<float> scales_, zeros_, rounded_;
    std::vector<uint8_t> codes_;
};

/// Scale and zero of every group of a matrix, into the tensor's parameter matrices (which get their sizes).
/// Rows run in parallel.
void fitGroups(const Codec& codec, RangeRule rule, ConstMatrixView weight, QuantizedTensor& q);

} // namespace qs
