// SPDX-License-Identifier: Apache-2.0
#include "core/codec/extras.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace qs {

namespace {

void putKept(const KeptWeights& kept, size_t row, float* out) {
    for (size_t i = kept.rowStart[row]; i < kept.rowStart[row + 1]; ++i)
        out[kept.columns[i]] = kept.values[i];
}

} // namespace

float& KeptWeights::at(size_t row, size_t column) {
    const auto begin = columns.begin() + rowStart[row], end = columns.begin() + rowStart[row + 1];
    const auto it = std::lower_bound(begin, end, uint32_t(column));
    assert(it != end && *it == column);
    return values[size_t(it - columns.begin())];
}

float keptScale(float largest) {
    constexpr int kSignificant = 4, kLeast = -24, kMost = 5; // 15 * 127 * 2^5 is below 65504
    int exponent = 0;
    const float m = std::frexp(largest / 127, &exponent); // 0.5 <= m < 1
    exponent -= kSignificant;
    if (largest <= 0 || exponent < kLeast) return std::ldexp(8.0f, kLeast);
    if (exponent > kMost) return std::ldexp(15.0f, kMost);
    const float units = std::ceil(std::ldexp(m, kSignificant));
    return std::min(std::ldexp(units, exponent), std::ldexp(15.0f, kMost)); // 16 is 8 of the next exponent
}

float keptInteger(float value, float scale) {
    return scale * std::clamp(std::nearbyint(value / scale), -127.0f, 127.0f);
}

void applyExtras(const Extras& extras, size_t firstRow, MatrixView rows) {
    if (extras.empty()) return;
    std::optional<RotationMap> rotation;
    if (extras.rotation) rotation.emplace(*extras.rotation, rows.cols);
    std::optional<ReassemblyMap> reassembly;
    if (!extras.reassembly.empty()) reassembly.emplace(extras.reassembly);
    std::vector<float> scratch(reassembly ? rows.cols : 0);
    for (size_t r = 0; r < rows.rows; ++r) {
        float* out = rows.row(r);
        if (rotation) rotation->turnBack(out);
        for (size_t k = 0; k < extras.lowRank.rank(); ++k) {
            const float a = extras.lowRank.a(firstRow + r, k);
            const float* b = extras.lowRank.b.row(k);
            for (size_t c = 0; c < rows.cols; ++c)
                out[c] += a * b[c];
        }
        if (!extras.kept.empty()) putKept(extras.kept, firstRow + r, out);
        if (reassembly) reassembly->spreadWeights(out, scratch);
    }
}

uint64_t keptBits(const ExtrasSize& size, size_t rows, size_t cols) {
    if (size.kept == 0) return 0;
    if (size.keptInt8) return uint64_t(rows) * cols + size.kept * 8 + uint64_t(rows) * 16;
    return size.kept * ((cols > 65536 ? 32 : 16) + 16) + (uint64_t(rows) + 1) * 32;
}

uint64_t lowRankBits(const ExtrasSize& size, size_t rows, size_t cols) {
    return uint64_t(size.rank) * (uint64_t(rows) + cols) * 16;
}

} // namespace qs
