// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/second_moment.h"

#include "core/linalg/bf16.h"
#include "core/linalg/blas.h"
#include "core/linalg/onednn.h"
#include "core/linalg/parallel.h"
#include "core/linalg/transpose.h"

#include <algorithm>
#include <vector>

namespace qs::linalg {

namespace {

constexpr size_t kChunkRows = 2048;
// A tile's float32 sums stay in the caches until they are added; packing its factors costs little beside
// multiplying them. Few channels have smaller ones: there would be too few for many cores.
constexpr size_t kTile = 1024, kFewChannels = 2048;
size_t tileOf(size_t channels) {
    return channels <= kFewChannels ? kTile / 2 : kTile;
}
// Rows of the tiles that begin on the diagonal: a library that can leave out what the mirror image gives gets
// squares, the other one low strips.
constexpr size_t kSquare = kTile, kStrip = 256;

struct Tile {
    size_t row, rows, col, cols;
};

/// Those that cover the upper triangle of [n, n], the largest first, so that threads end at about the same
/// time; each begins on the diagonal, with `onDiagonal` rows, or lies right of it.
std::vector<Tile> upperTiles(size_t n, size_t onDiagonal) {
    std::vector<Tile> tiles;
    const size_t tile = tileOf(n);
    for (size_t r = 0; r < n; r += tile) {
        const size_t end = std::min(n, r + tile);
        for (size_t h = r; h < end; h += onDiagonal)
            tiles.push_back({h, std::min(onDiagonal, end - h), h, end - h});
        for (size_t c = end; c < n; c += tile)
            tiles.push_back({r, end - r, c, std::min(tile, n - c)});
    }
    std::stable_sort(tiles.begin(), tiles.end(),
                     [](const Tile& a, const Tile& b) { return a.rows * a.cols > b.rows * b.cols; });
    return tiles;
}

/// sigma += part on the tile's share of the upper triangle.
void addTile(const Tile& t, ConstMatrixView part, MatrixViewT<double> sigma) {
    for (size_t r = 0; r < t.rows; ++r) {
        double* to = sigma.row(t.row + r) + t.col;
        const float* add = part.row(r);
        for (size_t c = t.row + r > t.col ? t.row + r - t.col : 0; c < t.cols; ++c)
            to[c] += double(add[c]);
    }
}

/// The same of sum_ij sigma_ij part_ij, what lies right of the diagonal counted for both triangles.
double weighTile(const Tile& t, ConstMatrixView part, MatrixViewT<const double> sigma) {
    double sum = 0;
    for (size_t r = 0; r < t.rows; ++r) {
        const double* weights = sigma.row(t.row + r) + t.col;
        const float* values = part.row(r);
        size_t c = 0;
        if (t.row + r >= t.col) {
            c = t.row + r - t.col;
            sum += weights[c] * double(values[c]);
            ++c;
        }
        double right = 0;
        for (; c < t.cols; ++c)
            right += weights[c] * double(values[c]);
        sum += 2 * right;
    }
    return sum;
}

/// Calls multiply(tile, part) for all tiles of [n, n], part [tile.rows, tile.cols] to be filled, and then
/// use(index of the tile, tile, part).
template<class F, class Use>
Result<void> forTiles(size_t n, size_t onDiagonal, const F& multiply, const Use& use) {
    const std::vector<Tile> tiles = upperTiles(n, onDiagonal);
    FirstError errors;
    parallelFor(tiles.size(), 1, [&](size_t begin, size_t end) {
        thread_local Matrix memory(kTile, kTile);
        for (size_t i = begin; i < end && !errors.failed(); ++i) {
            const MatrixView part(memory.data(), tiles[i].rows, tiles[i].cols);
            if (auto done = multiply(tiles[i], part); !done)
                errors.note(std::move(done));
            else
                use(i, tiles[i], part);
        }
    });
    return errors.result();
}

/// The same, the parts added onto sigma.
template<class F>
Result<void> addTiles(MatrixViewT<double> sigma, size_t onDiagonal, const F& multiply) {
    return forTiles(sigma.rows, onDiagonal, multiply,
                    [&](size_t, const Tile& t, ConstMatrixView part) { addTile(t, part, sigma); });
}

/// Tiles of x^T x. From x turned: a library packs rows much faster than columns that lie far apart.
class TileProduct {
public:
    explicit TileProduct(ConstMatrixView x) : columns_(x.cols, x.rows + kGap), rows_(x.rows) {
        transpose(x, columns_.view().block(0, x.cols, 0, x.rows));
    }
    Result<void> operator()(const Tile& t, MatrixView part) const {
        if (t.row == t.col) // a square
            gramUpper(of(t.row, t.rows), part);
        else
            gemm(false, true, 1.0f, of(t.row, t.rows), of(t.col, t.cols), 0.0f, part);
        return {};
    }

private:
    static constexpr size_t kGap = 16; ///< a cache line, so that rows do not evict each other
    ConstMatrixView of(size_t first, size_t count) const {
        return ConstMatrixView(columns_.view()).block(first, count, 0, rows_);
    }
    Matrix columns_;
    size_t rows_;
};

Result<void> addChunk(ConstMatrixView x, MatrixViewT<double> sigma) {
    return addTiles(sigma, kSquare, TileProduct(x));
}

Result<void> addRoundedChunk(ConstMatrixView x, MatrixViewT<double> sigma) {
    const MatrixBf16 rounded = toBf16(x);
    const OneDnn* library = oneDnn();
    if (!library) return addChunk(toFloat(rounded.view()).view(), sigma);
    const size_t stride = rounded.cols();
    return addTiles(sigma, kStrip, [&](const Tile& t, MatrixView part) {
        return library->multiply({t.rows, t.cols, x.rows, rounded.data() + t.row, 1, stride,
                                  rounded.data() + t.col, stride, 1, part.data, part.stride});
    });
}

} // namespace

void addSecondMoment(ConstMatrixView x, MatrixViewT<double> sigma) {
    assert(sigma.rows == x.cols && sigma.cols == x.cols);
    for (size_t r = 0; r < x.rows; r += kChunkRows)
        (void)addChunk(x.block(r, std::min(kChunkRows, x.rows - r), 0, x.cols), sigma); // has no errors
}

Result<void> addSecondMomentBf16(ConstMatrixView x, MatrixViewT<double> sigma) {
    assert(sigma.rows == x.cols && sigma.cols == x.cols);
    for (size_t r = 0; r < x.rows; r += kChunkRows)
        QS_CHECK(addRoundedChunk(x.block(r, std::min(kChunkRows, x.rows - r), 0, x.cols), sigma));
    return {};
}

double quadraticForm(ConstMatrixView a, MatrixViewT<const double> sigma) {
    assert(sigma.rows == a.cols && sigma.cols == a.cols);
    double sum = 0;
    for (size_t r = 0; r < a.rows; r += kChunkRows) {
        const ConstMatrixView x = a.block(r, std::min(kChunkRows, a.rows - r), 0, a.cols);
        std::vector<double> sums(upperTiles(a.cols, kSquare).size());
        (void)forTiles(a.cols, kSquare, TileProduct(x), [&](size_t i, const Tile& t, ConstMatrixView part) {
            sums[i] = weighTile(t, part, sigma);
        });
        for (const double s : sums)
            sum += s;
    }
    return sum;
}

void mirrorUpper(MatrixViewT<double> sigma) {
    constexpr size_t kBlock = 32; // read and written while in the first-level cache
    const size_t n = sigma.rows;
    parallelFor((n + kBlock - 1) / kBlock, 4, [&](size_t begin, size_t end) {
        for (size_t r0 = begin * kBlock; r0 < std::min(n, end * kBlock); r0 += kBlock)
            for (size_t c0 = 0; c0 <= r0; c0 += kBlock) {
                double turned[kBlock][kBlock]; // the columns read may lie a multiple of the page size apart
                const size_t rows = std::min(kBlock, n - r0), cols = std::min(kBlock, n - c0);
                for (size_t c = 0; c < cols; ++c)
                    std::copy_n(sigma.row(c0 + c) + r0, rows, turned[c]);
                for (size_t r = 0; r < rows; ++r)
                    for (size_t c = 0; c < cols && c0 + c < r0 + r; ++c)
                        sigma(r0 + r, c0 + c) = turned[c][r];
            }
    });
}

} // namespace qs::linalg
