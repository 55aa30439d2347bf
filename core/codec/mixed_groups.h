// SPDX-License-Identifier: Apache-2.0
// Groups of integers whose bits differ, as the format int_mixed has them (Huang et al. 2024, SliM-LLM,
// arXiv:2405.14917): the columns of a group have b - 1, b or b + 1 bits in every row, as many of the one as
// of the other, so that the matrix takes b bits a weight exactly.
#pragma once

#include "core/codec/codec.h"

namespace qs {

/// What int_mixed keeps as `zero` of a group: 256 bits + stored, 0 <= stored < 256. The value of a code q is
/// scale (q - offset). With two bits and more the offset is the integer `stored`; with one bit, where it
/// decides how far either value is from 0, it is (stored - 2) / 4, stored = 0 .. 7.
struct MixedZero {
    int bits = 0;
    int stored = 0;

    static MixedZero unpack(float zero);
    float pack() const { return float(256 * bits + stored); }
    float offset() const { return bits == 1 ? float(stored - 2) / 4 : float(stored); }
    float top() const { return float((1 << bits) - 1); }         ///< the highest code
    int most() const { return bits == 1 ? 7 : (1 << bits) - 1; } ///< of stored
};

/// Scale, in its stored type, and zero of one group.
struct MixedGroup {
    float scale = 1;
    MixedZero zero;

    /// The grid of GPTQ, 0 within it; bits >= 2.
    static MixedGroup ofRange(int bits, float lo, float hi, DType scaleType);
    /// mean -+ mean|w - mean|, one bit, as near as the offset is kept; 0 and the mean where these are too far
    /// from 0 for it.
    static MixedGroup binary(std::span<const float> values, std::span<const float> weights, DType scaleType);
    /// The grid with the least sum of weights |error|^2.4 over `shares` of the range of the values, the first
    /// of equals; binary() with one bit. `weights`: positive, of the values; empty: all 1.
    static MixedGroup search(int bits, std::span<const float> values, std::span<const float> weights,
                             std::span<const float> shares, DType scaleType);

    float value(uint8_t code) const { return scale * (std::min(float(code), zero.top()) - zero.offset()); }
    uint8_t nearest(float v) const;
};

/// Which groups get how many bits: one less than `bits` for the `count` of the lowest salience, one more for
/// as many of the highest. 2 count <= salience.size().
std::vector<int> bitsBySalience(std::span<const double> salience, size_t count, int bits);

/// Says so in the zeros [rows, groups] of a tensor of int_mixed, with scales of 1.
void setGroupBits(std::span<const int> bits, QuantizedTensor& q);

} // namespace qs
