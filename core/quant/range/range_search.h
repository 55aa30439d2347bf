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
    Percentile, ///< all but 0.05 % of the values on either side, see observers.h: nothing in groups of fewer
                ///< than a thousand
    Divergence, ///< the least KL divergence of histograms, see observers.h
    Alternate,  ///< least squared error by turns: nearest codes for the scale, then the scale for the codes,
                ///< <w, v> / <v, v> with v their values on a scale of 1, while the error falls
};

const char* rangeRuleName(RangeRule rule); ///< "minmax", "mse", "percentile", "kl"; "" of Alternate

/// Which interval of a group's values the grid covers.
struct RangeChoice {
    RangeRule rule = RangeRule::MinMax;
    /// MinMax: the grid covers clip * [min, max], what lies outside goes to its ends; 0 < clip <= 1. The
    /// others find their own.
    float clip = 1;

    RangeChoice(RangeRule r = RangeRule::MinMax, float c = 1) : rule(r), clip(c) {}
    bool operator==(const RangeChoice&) const = default;
};

/// A method's "range" (a rangeRuleName) and "clip"; the defaults for those that it does not have.
RangeChoice rangeChoice(const Params& params);
ParamSpec rangeParam();
ParamSpec clipParam(); ///< "clip", 0.05 .. 1, for range = minmax

/// Positive weights of the squared errors of a tensor's inputs, [cols]: their mean squares, as importance
/// matrices hold them. Empty: all alike.
using Importance = std::span<const float>;

/// Scale and zero for one group of finite values. `scratch` avoids allocations between calls.
class RangeSearch {
public:
    RangeSearch(const Codec& codec, RangeChoice range) : codec_(codec), range_(range) {}
    /// With `importance` (one weight a value) searches weigh squares, Mse not the power 2.4.
    void fit(std::span<const float> values, float& scale, float& zero, Importance importance = {});

private:
    void alternate(std::span<const float> values, float lo, float hi, float& scale, float& zero,
                   Importance importance);
    double loss(std::span<const float> values, float scale, float zero, Importance importance);

    const Codec& codec_;
    RangeChoice range_;
    std::vector<float> scales_, zeros_, rounded_;
    std::vector<uint8_t> codes_;
};

/// Columns whose parameters are fitted together: a group, or a super-block of a format that has them (the row
/// where Codec::fitColumns is more).
size_t fittedTogether(const Codec& codec, const GroupLayout& layout);
/// Parameters of the fittedTogether() columns from `column` on of one row; of all rows that share them where
/// `values` are those of several, `row` then counts in the parameter matrices.
void fitUnit(const Codec& codec, RangeSearch& search, RangeChoice range, std::span<const float> values,
             Importance importance, QuantizedTensor& q, size_t row, size_t column);
/// Scale and zero of every group of a matrix, into the tensor's parameter matrices (which get their sizes).
/// Rows run in parallel.
void fitGroups(const Codec& codec, RangeChoice range, ConstMatrixView weight, QuantizedTensor& q,
               Importance importance = {});

} // namespace qs
