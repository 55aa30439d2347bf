// SPDX-License-Identifier: Apache-2.0
// Rounding of activations while a model runs: values become those that a number format can hold.
#pragma once

#include "core/codec/codec.h"

#include <optional>

namespace qs {

/// What is done to rows beside the format; the defaults change nothing.
struct RowAdjustment {
    float range = 1; ///< scales are so many times those of the row's own range; > 0
    float shift = 0; ///< added before and taken away afterwards
    /// It is G x that is rounded (channel_reassembly.h), and what comes out is spread over the channels;
    /// empty: x. For formats with one scale a row alone: copies of a channel must be rounded alike.
    ChannelReassembly channels;
    bool operator==(const RowAdjustment&) const = default;
};

/// One scale and zero point for all tokens (the zero as Codec::decode takes it), for a format with one scale
/// a row; of one that keeps its scales against a value of the whole tensor (QuantizedTensor::superScale,
/// NVFP4), that value. Scales are above 0 and finite.
struct FixedRange {
    float scale = 0, zero = 0;
    bool operator==(const FixedRange&) const = default;
};

/// What a search on calibration text chose for the rows of one place; what is empty is the format's own.
struct RowChoice {
    std::optional<int> base; ///< of a log grid
    std::string format;      ///< of a float: its exponent and mantissa bits, "e2m1"
    bool noSign = false;     ///< of a log grid: what is negative once it is shifted becomes 0
    RowAdjustment adjust;
    std::optional<FixedRange> fixed; ///< of all tokens
    bool operator==(const RowChoice&) const = default;
};

/// Every row (a token) is a matrix of its own: what the format keeps per tensor or per channel it keeps per
/// token, groups are groups of channels, and the result does not depend on what else is in a batch. Scales by
/// the plain rule of the format. Immutable and thread-safe.
/// With `factors` [channels] > 0 it is x / factors that is rounded, and what comes out is multiplied by them:
/// how a linear meets its inputs once a transform has divided them.
class RowRounder {
public:
    /// What is fixed for all tokens instead of being left to each.
    using Fixed = FixedRange;

    /// Values of a magnitude above `keepAbove` > 0 stay as they are, and scales are fitted without them
    /// (LLM.int8(), Dettmers et al. 2022, arXiv:2208.07339, whose threshold is 6); 0: all are rounded.
    explicit RowRounder(std::shared_ptr<const Codec> codec, std::vector<float> factors = {},
                        float keepAbove = 0, std::optional<Fixed> fixed = std::nullopt,
                        RowAdjustment adjust = {})
        : codec_(std::move(codec))
        , factors_(std::move(factors))
        , keepAbove_(keepAbove)
        , fixed_(fixed)
        , adjust_(adjust) {}
    const Codec& codec() const { return *codec_; }
    bool sameAs(const RowRounder& other) const {
        return codec_->id() == other.codec_->id() && codec_->params() == other.codec_->params() &&
               factors_ == other.factors_ && keepAbove_ == other.keepAbove_ && fixed_ == other.fixed_ &&
               adjust_ == other.adjust_;
    }

    /// Names what it does: alike where sameAs() is true, else different.
    std::string identity() const;

    /// x [tokens, channels] in place; rows run in parallel. InvalidArgument when the groups do not divide a
    /// row, there are factors for another number of channels, a value is not finite, or the format has no
    /// place for what is fixed.
    Result<void> round(MatrixView x) const;
    /// The same of x into `to`, which may be x. On a device where its kernels can: plain formats with a scale
    /// for each group of channels, and nothing adjusted.
    Result<void> round(Backend& backend, const Tensor& x, Tensor& to) const;

private:
    Result<void> roundOnDevice(const CodeGrid& grid, Backend& backend, const Tensor& x, Tensor& to) const;
    /// Scales, then zero points [tokens or 1, groups].
    Result<std::pair<Matrix, Matrix>> parametersOf(Backend& backend, const Tensor& x) const;

    std::shared_ptr<const Codec> codec_;
    std::vector<float> factors_; ///< empty: ones
    float keepAbove_ = 0;
    std::optional<Fixed> fixed_;
    RowAdjustment adjust_;
};

} // namespace qs
