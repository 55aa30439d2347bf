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

/// Which interval of a group's values the grid covers.
struct RangeChoice {
    RangeRule rule = RangeRule::MinMax;
    /// MinMax: the grid covers clip * [min, max], what lies outside goes to its ends; 0 < clip <= 1. Mse
    /// searches its own and leaves this aside.
    float clip = 1;

    RangeChoice(RangeRule r = RangeRule::MinMax, float c = 1) : rule(r), clip(c) {}
    bool operator==(const RangeChoice&) const = default;
};

/// A method's "range" ("minmax", "mse") and "clip"; the defaults for those that it does not have.
RangeChoice rangeChoice(const Params& params);
ParamSpec rangeParam();
ParamSpec clipParam(); ///< "clip", 0.05 .. 1, for range = minmax

/// Scale and zero for one group of finite values. `scratch` avoids allocations between calls.
class RangeSearch {
public:
    RangeSearch(const Codec& codec, RangeChoice range) : codec_(codec), range_(range) {}
    void fit(std::span<const float> values, float& scale, float& zero);

private:
    double loss(std::span<const float> values, float scale, float zero);

    const Codec& codec_;
    RangeChoice range_;
    std::vector<float> scales_, zeros_, rounded_;
    std::vector<uint8_t> codes_;
};

/// Scale and zero of every group of a matrix, into the tensor's parameter matrices (which get their sizes).
/// Rows run in parallel.
void fitGroups(const Codec& codec, RangeChoice range, ConstMatrixView weight, QuantizedTensor& q);

} // namespace qs
