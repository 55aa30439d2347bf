// SPDX-License-Identifier: Apache-2.0
// Codes of number formats in the memory of a backend: Backend::roundToGrid and decodeCodes.
#pragma once

#include "core/backend/backend.h"

namespace qs {

/// Which value a code q stands for, given the scale s and the zero point z of its group.
/// Uniform (no `levels`): w' = s (q - z), and q = clamp(round(w / s) + z, 0, maxCode) with ties to even.
/// With levels: w' = s levels[q], and q = how many of `bounds` are below w / s; zeroCode where s is 0.
struct CodeGrid {
    int maxCode = 0;               ///< codes are 0 .. maxCode <= 255
    std::span<const float> levels; ///< [maxCode + 1], on a scale of 1, ascending; empty: the uniform grid
    std::span<const float> bounds; ///< [2^k - 1], 2^k > maxCode: ascending; those from maxCode on infinite
    uint8_t zeroCode = 0;
};

/// Which scale and zero point serve a value: those of row r / blockRows (row 0 where there is one row alone)
/// and of the column's group.
struct CodeGroups {
    Tensor scale, zero;   ///< [rows / blockRows rounded up, or 1; groups]; zero without a buffer: all 0
    size_t groupSize = 0; ///< columns of a group, the last one may be shorter
    size_t blockRows = 1;
    std::span<const int32_t> groupOfColumn; ///< [cols]; empty: column / groupSize
};

} // namespace qs
