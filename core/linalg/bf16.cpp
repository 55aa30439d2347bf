// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/bf16.h"

#include "core/linalg/blas.h"
#include "core/linalg/onednn.h"
#include "core/linalg/parallel.h"
#include "core/tensor/convert.h"

#include <fmt/format.h>

namespace qs::linalg {

namespace {

// Tiles of fixed size, each by one thread: results do not depend on the number of threads. Big enough that
// repacking a tile's factors costs little beside multiplying them.
constexpr size_t kTileRows = 256, kTileCols = 2048;

void roundRow(const float* from, uint16_t* to, size_t n) {
    floatToBfloatBulk(from, reinterpret_cast<std::byte*>(to), n);
}

} // namespace

std::string bf16ProviderDescription() {
    if (const OneDnn* library = oneDnn()) return fmt::format("oneDNN {} (bf16)", library->version());
    return fmt::format("float32 products, slower: {}", oneDnnProblem());
}

MatrixBf16 toBf16(ConstMatrixView m) {
    MatrixBf16 out(m.rows, m.cols);
    parallelFor(m.rows, std::max<size_t>(1, (1 << 16) / std::max<size_t>(1, m.cols)),
                [&](size_t begin, size_t end) {
                    for (size_t r = begin; r < end; ++r)
                        roundRow(m.row(r), out.row(r), m.cols);
                });
    return out;
}

Matrix toFloat(Bf16View m) {
    Matrix out(m.rows, m.cols);
    for (size_t r = 0; r < m.rows; ++r)
        bfloatToFloatBulk(reinterpret_cast<const std::byte*>(m.row(r)), out.row(r), m.cols);
    return out;
}

Result<void> gemmBf16(ConstMatrixView x, Bf16View w, MatrixView y) {
    assert(x.cols == w.cols && y.rows == x.rows && y.cols == w.rows);
    if (y.size() == 0) return {};
    const MatrixBf16 rounded = toBf16(x);
    const OneDnn* library = x.cols > 0 ? oneDnn() : nullptr;
    if (!library) {
        gemm(false, true, 1.0f, toFloat(rounded.view()).view(), toFloat(w).view(), 0.0f, y);
        return {};
    }
    const size_t down = (y.rows + kTileRows - 1) / kTileRows, across = (y.cols + kTileCols - 1) / kTileCols;
    FirstError errors;
    parallelFor(down * across, 1, [&](size_t begin, size_t end) {
        for (size_t t = begin; t < end && !errors.failed(); ++t) {
            const size_t r = t / across * kTileRows, c = t % across * kTileCols,
                         rows = std::min(kTileRows, y.rows - r), cols = std::min(kTileCols, y.cols - c);
            errors.note(library->multiply({rows, cols, x.cols, rounded.row(r), rounded.cols(), 1, w.row(c), 1,
                                           w.stride, y.row(r) + c, y.stride}));
        }
    });
    return errors.result();
}

} // namespace qs::linalg
