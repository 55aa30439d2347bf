// SPDX-License-Identifier: Apache-2.0
// Rows of a weight rounded with a share of their range: what LLM-FP4 (Liu et al. 2023, arXiv:2310.16836)
// searches for weights, and for inputs too.
#pragma once

#include "core/codec/codec.h"

#include <array>
#include <span>

namespace qs {

/// Shares that are tried: 1, then 0.01 + 1.19 i / 100 for i = 1 .. 100.
std::array<float, 101> rangeShares();

/// The formats with as many bits: all splits into exponent and mantissa of a float, else the codec itself,
/// which comes first.
Result<std::vector<std::shared_ptr<const Codec>>> formatsOfSameBits(const Codec& codec);

/// Every group of row r covers share_r [min, max] of its values. The weight must outlive it. Thread-safe.
class RowRanges {
public:
    /// InvalidArgument where a scale does not belong to one row, or is not found from the range of a group.
    static Result<RowRanges> make(std::shared_ptr<const Codec> codec, ConstMatrixView weight);
    const Codec& codec() const { return *codec_; }

    /// Nearest values into `out` [rows, cols]; `shares` [rows], or one for all.
    void round(std::span<const float> shares, MatrixView out) const;
    /// The tensor with these codes.
    QuantizedTensor quantize(std::span<const float> shares) const;

private:
    struct Group {
        float low = 0, high = 0;
    };
    RowRanges(std::shared_ptr<const Codec> codec, ConstMatrixView weight)
        : codec_(std::move(codec)), weight_(weight) {}
    /// One row; `codes` and `out` [cols].
    void roundRow(size_t row, float share, QuantizedTensor& q, uint8_t* codes, float* out) const;

    std::shared_ptr<const Codec> codec_;
    ConstMatrixView weight_;
    QuantizedTensor empty_; ///< without codes and parameters
    std::vector<Group> groups_;

    QuantizedTensor begin() const;
};

} // namespace qs
