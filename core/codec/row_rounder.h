// SPDX-License-Identifier: Apache-2.0
// Rounding of activations while a model runs: values become those that a number format can hold.
#pragma once

#include "core/codec/codec.h"

namespace qs {

/// Every row (a token) is a matrix of its own: what the format keeps per tensor or per channel it keeps per
/// token, groups are groups of channels, and the result does not depend on what else is in a batch. Scales by
/// the plain rule of the format. Immutable and thread-safe.
class RowRounder {
public:
    explicit RowRounder(std::shared_ptr<const Codec> codec) : codec_(std::move(codec)) {}
    const Codec& codec() const { return *codec_; }
    bool sameAs(const RowRounder& other) const {
        return codec_->id() == other.codec_->id() && codec_->params() == other.codec_->params();
    }

    /// x [tokens, channels] in place; rows run in parallel. InvalidArgument when the groups do not divide a
    /// row, or a value is not finite.
    Result<void> round(MatrixView x) const;

private:
    std::shared_ptr<const Codec> codec_;
};

} // namespace qs
