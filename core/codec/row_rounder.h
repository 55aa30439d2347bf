// SPDX-License-Identifier: Apache-2.0
// Rounding of activations while a model runs: values become those that a number format can hold.
#pragma once

#include "core/codec/codec.h"

namespace qs {

/// Every row (a token) is a matrix of its own: what the format keeps per tensor or per channel it keeps per
/// token, groups are groups of channels, and the result does not depend on what else is in a batch. Scales by
/// the plain rule of the format. Immutable and thread-safe.
/// With `factors` [channels] > 0 it is x / factors that is rounded, and what comes out is multiplied by them:
/// how a linear meets its inputs once a transform has divided them.
class RowRounder {
public:
    /// Values of a magnitude above `keepAbove` > 0 stay as they are, and scales are fitted without them
    /// (LLM.int8(), Dettmers et al. 2022, arXiv:2208.07339, whose threshold is 6); 0: all are rounded.
    explicit RowRounder(std::shared_ptr<const Codec> codec, std::vector<float> factors = {},
                        float keepAbove = 0)
        : codec_(std::move(codec)), factors_(std::move(factors)), keepAbove_(keepAbove) {}
    const Codec& codec() const { return *codec_; }
    bool sameAs(const RowRounder& other) const {
        return codec_->id() == other.codec_->id() && codec_->params() == other.codec_->params() &&
               factors_ == other.factors_ && keepAbove_ == other.keepAbove_;
    }

    /// x [tokens, channels] in place; rows run in parallel. InvalidArgument when the groups do not divide a
    /// row, there are factors for another number of channels, or a value is not finite.
    Result<void> round(MatrixView x) const;

private:
    std::shared_ptr<const Codec> codec_;
    std::vector<float> factors_; ///< empty: ones
    float keepAbove_ = 0;
};

} // namespace qs
