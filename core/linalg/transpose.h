// SPDX-License-Identifier: Apache-2.0
// Transposed copies. By small tiles: rows often lie a multiple of the page size apart, where those of a
// column evict each other from the first-level cache.
#pragma once

#include "core/linalg/parallel.h"
#include "core/tensor/matrix.h"

#include <algorithm>
#include <cstring>

namespace qs::linalg {

namespace detail {

/// to[c][r] = from[r][c] of 8 x 8 bytes, as 64-bit words; rows `stride` and `toStride` bytes apart.
inline void transposeSquare(const uint8_t* from, size_t stride, uint8_t* to, size_t toStride) {
    uint64_t x[8];
    for (size_t i = 0; i < 8; ++i)
        std::memcpy(&x[i], from + i * stride, 8);
    // Squares of 4, 2 and 1 bytes change places across the diagonal of squares twice as large.
    const auto exchange = [&x](size_t apart, uint64_t low) {
        const unsigned bits = unsigned(apart) * 8;
        for (size_t i = 0; i < 8; ++i) {
            if (i & apart) continue;
            const uint64_t t = ((x[i] >> bits) ^ x[i + apart]) & low;
            x[i + apart] ^= t;
            x[i] ^= t << bits;
        }
    };
    exchange(4, 0x00000000ffffffffu);
    exchange(2, 0x0000ffff0000ffffu);
    exchange(1, 0x00ff00ff00ff00ffu);
    for (size_t i = 0; i < 8; ++i)
        std::memcpy(to + i * toStride, &x[i], 8);
}

/// The same of 4 x 4 floats, strides in floats.
inline void transposeSquare(const float* from, size_t stride, float* to, size_t toStride) {
    using Four = float __attribute__((vector_size(16)));
    Four x[4];
    for (size_t i = 0; i < 4; ++i)
        std::memcpy(&x[i], from + i * stride, sizeof x[i]);
    const Four a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5),
               b = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5),
               c = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7),
               d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
    const Four y[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
                       __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
    for (size_t i = 0; i < 4; ++i)
        std::memcpy(to + i * toStride, &y[i], sizeof y[i]);
}

} // namespace detail

/// to [cols, rows] = from [rows, cols] turned, of bytes or floats; they must not overlap.
template<class T>
void transpose(MatrixViewT<const T> from, MatrixViewT<T> to) {
    assert(to.rows == from.cols && to.cols == from.rows);
    constexpr size_t kEdge = 64 / sizeof(T), kSquare = sizeof(T) == 1 ? 8 : 4; // an edge is a cache line
    // The processor foresees what comes next in a row, not that the next row comes so soon.
    const bool shortRows = from.cols * sizeof(T) <= 4096;
    parallelFor((from.rows + kEdge - 1) / kEdge, 4, [&](size_t begin, size_t end) {
        alignas(64) T tile[kEdge][kEdge];
        for (size_t r0 = begin * kEdge; r0 < std::min(from.rows, end * kEdge); r0 += kEdge) {
            const size_t rows = std::min(kEdge, from.rows - r0);
            for (size_t c0 = 0; c0 < from.cols; c0 += kEdge) {
                const size_t cols = std::min(kEdge, from.cols - c0);
                if (shortRows && r0 + 2 * kEdge <= from.rows)
                    for (size_t r = 0; r < kEdge; ++r)
                        __builtin_prefetch(from.row(r0 + kEdge + r) + c0);
                if (rows == kEdge && cols == kEdge) {
                    for (size_t r = 0; r < kEdge; r += kSquare)
                        for (size_t c = 0; c < kEdge; c += kSquare)
                            detail::transposeSquare(from.row(r0 + r) + c0 + c, from.stride, &tile[c][r],
                                                    kEdge);
                    for (size_t c = 0; c < kEdge; ++c) // of known size: no call
                        std::memcpy(to.row(c0 + c) + r0, tile[c], sizeof tile[c]);
                } else {
                    for (size_t r = 0; r < rows; ++r)
                        for (size_t c = 0; c < cols; ++c)
                            to(c0 + c, r0 + r) = from(r0 + r, c0 + c);
                }
            }
        }
    });
}

} // namespace qs::linalg
