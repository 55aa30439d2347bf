// SPDX-License-Identifier: Apache-2.0
// Transposed copies. By small tiles: rows often lie a multiple of the page size apart, where those of a
// column evict each other from the first-level cache.
#pragma once

#include "core/linalg/parallel.h"
#include "core/tensor/matrix.h"

#include <algorithm>

namespace qs::linalg {

/// to [cols, rows] = from [rows, cols] turned; they must not overlap.
template<class T>
void transpose(MatrixViewT<const T> from, MatrixViewT<T> to) {
    assert(to.rows == from.cols && to.cols == from.rows);
    constexpr size_t kEdge = 64 / sizeof(T); // a cache line
    parallelFor((from.rows + kEdge - 1) / kEdge, 4, [&](size_t begin, size_t end) {
        T tile[kEdge][kEdge];
        for (size_t r0 = begin * kEdge; r0 < std::min(from.rows, end * kEdge); r0 += kEdge) {
            const size_t rows = std::min(kEdge, from.rows - r0);
            for (size_t c0 = 0; c0 < from.cols; c0 += kEdge) {
                const size_t cols = std::min(kEdge, from.cols - c0);
                for (size_t r = 0; r < rows; ++r)
                    for (size_t c = 0; c < cols; ++c)
                        tile[c][r] = from(r0 + r, c0 + c);
                for (size_t c = 0; c < cols; ++c)
                    std::copy_n(tile[c], rows, to.row(c0 + c) + r0);
            }
        }
    });
}

} // namespace qs::linalg
