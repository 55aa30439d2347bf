// SPDX-License-Identifier: Apache-2.0
// Which weights of a matrix keep their own values instead of codes.
#pragma once

#include "core/codec/extras.h"

#include <span>
#include <string>

namespace qs {

class KeptMask {
public:
    KeptMask() = default; ///< keeps nothing
    /// The `count` weights with the highest scores, the first in row order of equals. Scores [rows, cols]
    /// must be finite. O(rows cols).
    static KeptMask highest(ConstMatrixView scores, size_t count);
    /// The `count` weights of the largest magnitudes.
    static KeptMask largest(ConstMatrixView weight, size_t count);
    /// The `count` whole columns with the highest scores.
    static KeptMask columns(size_t rows, std::span<const double> scores, size_t count);

    bool empty() const { return count_ == 0; }
    size_t count() const { return count_; }
    bool at(size_t row, size_t column) const {
        return (bits_[row * stride_ + column / 64] >> (column % 64)) & 1;
    }
    /// Puts the mean of the others (0 when there are none) in place of what is kept among `values`, which
    /// start at `column` of a row, so that no grid is stretched for it.
    void cover(std::span<float> values, size_t row, size_t column) const;
    /// Their places, values 0.
    KeptWeights places() const;

private:
    KeptMask(size_t rows, size_t cols) : rows_(rows), cols_(cols), stride_((cols + 63) / 64) {
        bits_.assign(rows * stride_, 0);
    }
    void set(size_t row, size_t column) {
        bits_[row * stride_ + column / 64] |= uint64_t(1) << (column % 64);
        ++count_;
    }

    size_t rows_ = 0, cols_ = 0, stride_ = 0, count_ = 0;
    std::vector<uint64_t> bits_;
};

/// `share` (0 .. 1) of `total`, to the nearest.
size_t countOfShare(double share, size_t total);
/// A value as a float16 holds it; values beyond its range become its largest.
float keptValue(float value);
/// Scales for 8-bit values: of each row, by the largest of its weights that is kept.
void scaleKept(ConstMatrixView weight, KeptWeights& kept);

} // namespace qs
