// SPDX-License-Identifier: Apache-2.0
// What a quantized matrix may hold beside its codes: the rotation that its inputs had, weights that keep
// their own values, a correction of low rank, and the reassembly of its inputs. W' = decoded codes, turned
// back, + A B, and where a weight is kept, its value; all that times G, where channels are reassembled.
#pragma once

#include "core/codec/input_rotation.h"
#include "core/linalg/channel_reassembly.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <vector>

namespace qs {

/// Some weights of a [rows, cols] matrix with their values, row by row (CSR).
struct KeptWeights {
    std::vector<uint32_t> rowStart; ///< [rows + 1]: where the rows begin in the lists; empty: none are kept
    std::vector<uint32_t> columns;  ///< [count], ascending in each row
    std::vector<float> values;      ///< [count], each exactly a float16
    /// [rows], of 8-bit values: each is the scale of its row times an integer of -127 .. 127. Empty: the
    /// values have nothing in common.
    std::vector<float> scale;

    bool empty() const { return rowStart.empty(); }
    size_t count() const { return columns.size(); }
    /// The value of a weight that is kept. O(log count of the row)
    float& at(size_t row, size_t column);
    bool operator==(const KeptWeights&) const = default;
};

/// A scale for 8-bit values up to `largest` in magnitude: the least m 2^e with m = 8 .. 15 and 127 m 2^e >=
/// largest, so that their products with integers of 7 bits are float16 exactly; 60960 is the most they hold.
float keptScale(float largest);
/// The nearest of the 255 values of a scale.
float keptInteger(float value, float scale);

/// The product a b, a [rows, rank], b [rank, cols]; every value exactly a float16.
struct LowRank {
    Matrix a, b;

    bool empty() const { return a.empty(); }
    size_t rank() const { return a.cols(); }
};

struct Extras {
    KeptWeights kept;
    LowRank lowRank;
    std::optional<InputRotation> rotation;
    ChannelReassembly reassembly; ///< empty: none

    bool empty() const { return kept.empty() && lowRank.empty() && !rotation && reassembly.empty(); }
};

/// Makes rows of W' of the decoded codes `rows`, which are those from `firstRow` on. 2 m n rank flops for m
/// rows, and those of RotationMap.
void applyExtras(const Extras& extras, size_t firstRow, MatrixView rows);

/// How many of each there are: known before the values are.
struct ExtrasSize {
    uint64_t kept = 0; ///< weights
    size_t rank = 0;
    bool rotated = false, scaled = false; ///< scaled: the rotation has a D
    bool keptInt8 = false;                ///< kept weights are 8-bit values
    bool reassembled = false;
    bool operator==(const ExtrasSize&) const = default;
};
inline ExtrasSize sizeOf(const Extras& extras) {
    return {extras.kept.count(),         extras.lowRank.rank(),
            extras.rotation.has_value(), extras.rotation && !extras.rotation->scale.empty(),
            !extras.kept.scale.empty(),  !extras.reassembly.empty()};
}
/// Bits of columns (16, or 32 in rows of more than 65536), float16 values and 32-bit starts of rows. Of 8-bit
/// values, which are many: one bit a weight that says whether it is kept, the values, float16 scales of rows.
uint64_t keptBits(const ExtrasSize& size, size_t rows, size_t cols);
/// Bits of both factors in float16.
uint64_t lowRankBits(const ExtrasSize& size, size_t rows, size_t cols);

} // namespace qs
