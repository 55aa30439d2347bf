// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/tensor/matrix.h"

namespace qs {

/// Copies the upper triangle of m [n, n] onto the lower one, in tiles that fit the caches.
inline void mirrorUpper(MatrixD& m) {
    constexpr size_t kTile = 64;
    const size_t n = m.rows();
    for (size_t r0 = 0; r0 < n; r0 += kTile)
        for (size_t c0 = r0; c0 < n; c0 += kTile)
            for (size_t r = r0; r < std::min(n, r0 + kTile); ++r)
                for (size_t c = std::max(c0, r + 1); c < std::min(n, c0 + kTile); ++c)
                    m(c, r) = m(r, c);
}

} // namespace qs
