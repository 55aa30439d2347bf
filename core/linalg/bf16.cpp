// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/bf16.h"

#include "core/linalg/blas.h"
#include "core/linalg/onednn.h"
#include "core/linalg/parallel.h"
#include "core/tensor/convert.h"

#include <atomic>
#include <fmt/format.h>
#include <mutex>

namespace qs::linalg {

namespace {

// Tiles of fixed size, each by one thread: results do not depend on the number of threads. Big enough that
// repacking a tile's factors costs little beside multiplying them.
constexpr size_t kTileRows = 256, kTileCols = 2048;

/// Errors of parallel bodies: the first is kept.
class FirstError {
public:
    void note(Result<void> r) {
        if (r) return;
        const std::lock_guard lock(mutex_);
        if (!failed_.exchange(true)) error_ = r.takeError();
    }
    bool failed() const { return failed_; }
    Result<void> result() {
        if (failed_) return std::move(error_);
        return {};
    }

private:
    std::mutex mutex_;
    std::atomic<bool> failed_{false};
    Error error_{ErrorCode::Backend, "", {}};
};

void roundRow(const float* from, uint16_t* to, size_t n) {
    floatToBfloatBulk(from, reinterpret_cast<std::byte*>(to), n);
}

Matrix toFloat(Bf16View m) {
    Matrix out(m.rows, m.cols);
    for (size_t r = 0; r < m.rows; ++r)
        bfloatToFloatBulk(reinterpret_cast<const std::byte*>(m.row(r)), out.row(r), m.cols);
    return out;
}

/// y = x w^T of one tile.
Result<void> multiplyTile(Bf16View x, Bf16View w, MatrixView y) {
    const OneDnn* library = x.cols > 0 ? oneDnn() : nullptr;
    if (library)
        return library->multiply(
            {y.rows, y.cols, x.cols, x.data, x.stride, 1, w.data, 1, w.stride, y.data, y.stride});
    gemm(false, true, 1.0f, toFloat(x).view(), toFloat(w).view(), 0.0f, y);
    return {};
}

/// Calls tile(first row, rows, first column, columns) for the tiles of [rows, cols] that reach the diagonal
/// or stand right of it (`upper`), or for all.
template<class F>
Result<void> forEachTile(size_t rows, size_t cols, bool upper, const F& tile) {
    const size_t down = (rows + kTileRows - 1) / kTileRows, across = (cols + kTileCols - 1) / kTileCols;
    FirstError errors;
    parallelFor(down * across, 1, [&](size_t begin, size_t end) {
        for (size_t t = begin; t < end && !errors.failed(); ++t) {
            const size_t r = t / across * kTileRows, c = t % across * kTileCols,
                         nr = std::min(kTileRows, rows - r), nc = std::min(kTileCols, cols - c);
            if (upper && c + nc <= r) continue;
            const size_t skipped = upper && r > c ? r - c : 0; // columns left of the diagonal's first
            errors.note(tile(r, nr, c + skipped, nc - skipped));
        }
    });
    return errors.result();
}

/// bf16(a)^T [n, k] of a [k, n].
MatrixBf16 toBf16Transposed(ConstMatrixView a) {
    constexpr size_t kBlock = 64;
    MatrixBf16 out(a.cols, a.rows);
    parallelFor((a.cols + kBlock - 1) / kBlock, 1, [&](size_t begin, size_t end) {
        uint16_t tile[kBlock][kBlock];
        for (size_t t = begin; t < end; ++t) {
            const size_t c0 = t * kBlock, nc = std::min(kBlock, a.cols - c0);
            for (size_t r0 = 0; r0 < a.rows; r0 += kBlock) {
                const size_t nr = std::min(kBlock, a.rows - r0);
                for (size_t r = 0; r < nr; ++r)
                    roundRow(a.row(r0 + r) + c0, tile[r], nc);
                for (size_t c = 0; c < nc; ++c)
                    for (size_t r = 0; r < nr; ++r)
                        out(c0 + c, r0 + r) = tile[r][c];
            }
        }
    });
    return out;
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

Result<void> gemmBf16(ConstMatrixView x, Bf16View w, MatrixView y) {
    assert(x.cols == w.cols && y.rows == x.rows && y.cols == w.rows);
    if (y.size() == 0) return {};
    const MatrixBf16 rounded = toBf16(x);
    return forEachTile(y.rows, y.cols, false, [&](size_t r, size_t nr, size_t c, size_t nc) {
        return multiplyTile(rounded.view().block(r, nr, 0, x.cols), w.block(c, nc, 0, w.cols),
                            y.block(r, nr, c, nc));
    });
}

Result<void> syrkUpperBf16(ConstMatrixView a, MatrixView c) {
    assert(c.rows == a.cols && c.cols == a.cols);
    if (c.size() == 0) return {};
    const MatrixBf16 t = toBf16Transposed(a);
    const Bf16View all = t.view();
    return forEachTile(c.rows, c.cols, true, [&](size_t r, size_t nr, size_t first, size_t nc) {
        return multiplyTile(all.block(r, nr, 0, a.rows), all.block(first, nc, 0, a.rows),
                            c.block(r, nr, first, nc));
    });
}

} // namespace qs::linalg
