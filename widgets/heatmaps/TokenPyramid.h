// SPDX-License-Identifier: GPL-3.0-or-later
// TokenPyramid: a matrix of activations that answers "the strongest value of these channels" for any range,
// at any zoom, without losing a spike and without smearing one over its neighbours.
#pragma once

#include "core/tensor/matrix.h"

#include <memory>
#include <vector>

namespace qs::ui {

/// Per token a binary tree over the channels whose nodes hold the value with the largest magnitude below
/// them. A range is put together from whole nodes, so the answer is exact. Immutable and thread-safe. Memory:
/// twice the matrix.
class TokenPyramid {
public:
    /// values [tokens, channels].
    static std::shared_ptr<const TokenPyramid> make(std::shared_ptr<const Matrix> values);

    int tokens() const { return int(m_values->rows()); }
    int channels() const { return int(m_values->cols()); }
    float value(int token, int channel) const { return (*m_values)(size_t(token), size_t(channel)); }
    const Matrix& values() const { return *m_values; }

    /// The signed value with the largest magnitude in channels [first, end), first < end; NaN is passed over,
    /// unless there is nothing else.
    float strongest(int token, int first, int end) const;
    /// Its channel, the first one of equal magnitude.
    int strongestChannel(int token, int first, int end) const;
    /// The same over tokens [firstToken, endToken).
    float strongest(int firstToken, int endToken, int first, int end) const;
    /// max |x| of a token.
    float tokenMax(int token) const;

private:
    std::shared_ptr<const Matrix> m_values;
    std::vector<Matrix> m_levels; ///< [tokens, ceil(channels / 2^k)], k = 1, 2, ...
};

} // namespace qs::ui
