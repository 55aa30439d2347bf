// SPDX-License-Identifier: Apache-2.0
// The block formats of ggml as grids: which values a code can stand for, and how scales (and offsets) of the
// groups of a block are found from values. A value is s v(q) - m, with s and m of its group; in super-blocks
// (K-quants, IQ4_XS) s = d c and m = dmin e with small integers c, e and d, dmin in float16.
#pragma once

#include "core/codec/codec.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace qs {

struct GgmlType;

struct GgmlGrid {
    std::string_view id; ///< "q4_k": value of the codec's parameter, stored on disk
    uint32_t type = 0;   ///< ggml's number
    int bits = 0, levels = 0;
    uint32_t group = 32;                           ///< columns that share s and m
    uint32_t block = 32;                           ///< columns that are stored, and fitted, together
    int centre = 0;                                ///< uniform grids: v(q) = q - centre
    const std::array<int8_t, 16>* table = nullptr; ///< v(q) of the others
    /// The plain rule gives the value of largest magnitude, with its sign, this v.
    int extreme = 0;
    bool offset = false;             ///< there is an m
    bool anyOffset = false;          ///< m may be negative: a group's range need not hold 0
    int scaleLow = 0, scaleHigh = 0; ///< of c; both 0: s itself is stored
    int offsetHigh = 0;              ///< e = 0 .. offsetHigh
    bool powerOfTwo = false;         ///< s = 2^k, k = -128 .. 126

    bool superBlocks() const { return scaleHigh > 0; }
    uint32_t groups() const { return block / group; }
    float value(unsigned code) const { return table ? float((*table)[code]) : float(int(code) - centre); }
    /// The code whose v is nearest to `v`.
    uint8_t nearest(float v) const;
    const GgmlType& ggml() const;
    std::string_view name() const; ///< "Q4_K"
};

std::span<const GgmlGrid> ggmlGrids();
/// nullptr when there is none.
const GgmlGrid* ggmlGrid(std::string_view id);

/// What is stored of a block beside its codes.
struct GgmlScales {
    static constexpr size_t kMostGroups = 16;
    float d = 0, dmin = 0;                     ///< values of float16; MXFP4: d = 2^k
    std::array<int8_t, kMostGroups> scale{};   ///< c; 1 without super-blocks
    std::array<uint8_t, kMostGroups> offset{}; ///< e

    float scaleOf(size_t group) const { return d * float(scale[group]); }
    /// m. Without super-blocks dmin is m itself.
    float offsetOf(const GgmlGrid& grid, size_t group) const {
        return grid.superBlocks() ? dmin * float(offset[group]) : dmin;
    }
};

/// Scales of one block of `grid.block` finite values. `importance`: weight of each squared error, positive;
/// empty: all 1. Cost: about 10 operations a value, 500 with a search. The search follows the idea of ggml's
/// scale searches: from several starts, codes by rounding, then the scale and offset that are best for them
/// by least squares.
GgmlScales fitGgmlBlock(const GgmlGrid& grid, std::span<const float> values,
                        std::span<const float> importance, const FitRule& rule);

/// Whether float16, in which scales are stored, holds the value exactly.
bool isHalf(float value);

/// Nearest codes of values that share s and m; a group with s = 0 gets the code of v = 0.
void roundToGrid(const GgmlGrid& grid, const float* values, size_t n, float scale, float offset,
                 uint8_t* codes);

} // namespace qs
