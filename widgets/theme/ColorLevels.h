// SPDX-License-Identifier: GPL-3.0-or-later
// ColorLevels: which entry of a colour table a value takes, without the scale's logarithm.
#pragma once

#include <array>
#include <cstddef>
#include <functional>

namespace qs::ui {

/// Scales are monotone, so the 255 values at which the entry changes say all that log or asinh would; a
/// search among them costs a few nanoseconds where those functions cost a hundred, and pictures of
/// activations have millions of pixels.
class ColorLevels {
public:
    /// `valueAt`: the value at a position in [0, 1] of the scale, increasing.
    explicit ColorLevels(const std::function<double(double)>& valueAt);

    /// The entry nearest to the value's position, 0..255; the ends for values outside and for NaN (the
    /// first).
    size_t at(float value) const {
        size_t level = 0;
        for (size_t step = 128; step > 0; step /= 2)
            level += value >= m_from[level + step] ? step : 0;
        return level;
    }

private:
    std::array<float, 256> m_from; ///< the least value of an entry; [0] is never read
};

} // namespace qs::ui
