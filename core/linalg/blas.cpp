// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/blas.h"

#include "core/linalg/openblas.h"
#include "core/linalg/parallel.h"

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <atomic>
#include <fmt/format.h>
#include <sched.h>
#include <sstream>

namespace qs::linalg {

namespace {

constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112, kUpper = 121, kLower = 122,
              kNonUnit = 131, kRight = 142;

std::atomic<int>& threadCount() {
    static std::atomic<int> count{hardwareThreads()};
    return count;
}

using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strided = Eigen::OuterStride<>;
using ConstMapF = Eigen::Map<const RowMajorF, 0, Strided>;
using MapF = Eigen::Map<RowMajorF, 0, Strided>;
using MapD = Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0,
                        Eigen::OuterStride<>>;

ConstMapF mapConst(ConstMatrixView m) {
    return ConstMapF(m.data, Eigen::Index(m.rows), Eigen::Index(m.cols), Strided(Eigen::Index(m.stride)));
}
MapF mapMutable(MatrixView m) {
    return MapF(m.data, Eigen::Index(m.rows), Eigen::Index(m.cols), Strided(Eigen::Index(m.stride)));
}

void eigenGemm(bool ta, bool tb, float alpha, ConstMatrixView a, ConstMatrixView b, float beta,
               MatrixView c) {
    auto C = mapMutable(c);
    const auto A = mapConst(a), B = mapConst(b);
    if (beta == 0)
        C.setZero();
    else if (beta != 1)
        C *= beta;
    if (!ta && !tb) C.noalias() += alpha * A * B;
    if (ta && !tb) C.noalias() += alpha * A.transpose() * B;
    if (!ta && tb) C.noalias() += alpha * A * B.transpose();
    if (ta && tb) C.noalias() += alpha * A.transpose() * B.transpose();
}

} // namespace

std::string providerDescription() {
    const OpenBlas* blas = openBlas();
    if (!blas)
        return fmt::format("Eigen {}.{}.{}, slower: OpenBLAS cannot be used ({})", EIGEN_WORLD_VERSION,
                           EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION, openBlasProblem());
    std::istringstream config(blas->getConfig());
    std::string name, version;
    config >> name >> version;
    return fmt::format("OpenBLAS {} ({} kernels)", version, blas->getCoreName());
}

int hardwareThreads() {
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return 1;
}

void setThreads(int n) {
    threadCount() = std::max(1, n);
}

int threads() {
    return threadCount();
}

namespace {

// Products are cut into tiles of fixed size that run on our own sleeping workers, each tile by one thread:
// OpenBLAS's barriers spin and collapse when another process takes a core, and its cuts (hence the last
// digits) depend on the number of threads.
// Large enough that packing a tile's factors costs little beside multiplying them.
constexpr size_t kTileRows = 384, kTileCols = 1024;

void gemmTile(bool ta, bool tb, float alpha, ConstMatrixView a, ConstMatrixView b, float beta, MatrixView c) {
    const size_t k = ta ? a.rows : a.cols;
    const OpenBlas* blas = openBlas();
    if (!blas || k == 0) return eigenGemm(ta, tb, alpha, a, b, beta, c);
    blas->sgemm(kRowMajor, ta ? kTranspose : kNoTranspose, tb ? kTranspose : kNoTranspose, int(c.rows),
                int(c.cols), int(k), alpha, a.data, int(a.stride), b.data, int(b.stride), beta, c.data,
                int(c.stride));
}

} // namespace

void gemm(bool ta, bool tb, float alpha, ConstMatrixView a, ConstMatrixView b, float beta, MatrixView c) {
    const size_t k = ta ? a.rows : a.cols;
    assert((ta ? a.cols : a.rows) == c.rows && (tb ? b.rows : b.cols) == c.cols &&
           (tb ? b.cols : b.rows) == k);
    if (c.rows == 0 || c.cols == 0) return;
    const size_t down = (c.rows + kTileRows - 1) / kTileRows, across = (c.cols + kTileCols - 1) / kTileCols;
    parallelFor(down * across, 1, [&](size_t begin, size_t end) {
        for (size_t t = begin; t < end; ++t) {
            const size_t row = t / across * kTileRows, rows = std::min(kTileRows, c.rows - row),
                         col = t % across * kTileCols, cols = std::min(kTileCols, c.cols - col);
            gemmTile(ta, tb, alpha, ta ? a.block(0, k, row, rows) : a.block(row, rows, 0, k),
                     tb ? b.block(col, cols, 0, k) : b.block(0, k, col, cols), beta,
                     c.block(row, rows, col, cols));
        }
    });
}

void gramUpper(ConstMatrixView a, MatrixView c) {
    assert(a.rows == c.rows && a.rows == c.cols);
    const OpenBlas* blas = openBlas();
    if (!blas || a.size() == 0) return eigenGemm(false, true, 1.0f, a, a, 0.0f, c);
    blas->ssyrk(kRowMajor, kUpper, kNoTranspose, int(a.rows), int(a.cols), 1.0f, a.data, int(a.stride), 0.0f,
                c.data, int(c.stride));
}

namespace {

Result<void> invertSmallLower(MatrixViewT<double> l);

// Blocked and right-looking (Golub and Van Loan, Matrix Computations, 4.2.9), tiles on our own threads as for
// products. LAPACK is column-major: our row-major lower triangle is its upper one, so "U" with h = U^T U
// gives exactly our L = U^T. Returns the 1-based pivot that failed, or 0.
int choleskyTiles(const OpenBlas& blas, MatrixViewT<double> h) {
    constexpr size_t kBlock = 128;
    const size_t n = h.rows;
    const int stride = int(h.stride);
    for (size_t first = 0; first < n; first += kBlock) {
        const size_t count = std::min(kBlock, n - first), rest = first + count;
        const int size = int(count);
        double* diagonal = h.row(first) + first;
        int info = 0;
        blas.dpotrf("U", &size, diagonal, &stride, &info);
        if (info != 0) return int(first) + info;
        const size_t tiles = (n - rest + kBlock - 1) / kBlock;
        const auto tileRows = [&](size_t t) { return int(std::min(kBlock, n - rest - t * kBlock)); };
        const auto panel = [&](size_t t) { return h.row(rest + t * kBlock) + first; };
        // Times the inverse: the library solves three times more slowly than it multiplies.
        MatrixD inverse(count, count);
        for (size_t r = 0; r < count; ++r)
            std::copy_n(h.row(first + r) + first, r + 1, inverse.row(r));
        if (tiles > 0 && !invertSmallLower(inverse.view())) return int(first) + 1;
        parallelFor(tiles, 1, [&](size_t begin, size_t end) {
            for (size_t t = begin; t < end; ++t)
                blas.dtrmm(kRowMajor, kRight, kLower, kTranspose, kNonUnit, tileRows(t), size, 1.0,
                           inverse.data(), size, panel(t), stride);
        });
        // Strips of the rest up to the diagonal, the longest first: packing the panel of one is worth it for
        // all that lies left of it.
        parallelFor(tiles, 1, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; ++i) {
                const size_t r = tiles - 1 - i;
                double* to = h.row(rest + r * kBlock) + rest;
                if (r > 0)
                    blas.dgemm(kRowMajor, kNoTranspose, kTranspose, tileRows(r), int(r * kBlock), size, -1.0,
                               panel(r), stride, panel(0), stride, 1.0, to, stride);
                // Leaves what is above the diagonal.
                blas.dsyrk(kRowMajor, kLower, kNoTranspose, tileRows(r), size, -1.0, panel(r), stride, 1.0,
                           to + r * kBlock, stride);
            }
        });
    }
    return 0;
}

} // namespace

Result<void> choleskyLower(MatrixViewT<double> h) {
    assert(h.rows == h.cols);
    const int n = int(h.rows), stride = int(h.stride);
    int info = 0;
    if (const OpenBlas* blas = openBlas()) {
        info = choleskyTiles(*blas, h);
    } else {
        MapD map(h.data, n, n, Strided(stride));
        Eigen::LLT<Eigen::Ref<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>> llt(
            map);
        info = llt.info() == Eigen::Success ? 0 : 1;
    }
    if (info != 0)
        return Error{ErrorCode::Backend,
                     fmt::format("the matrix is not positive definite (pivot {} of {})", info, n),
                     {}};
    return {};
}

namespace {

/// Row by row: x_i = (e_i - sum_{k<i} l_ik x_k) / l_ii.
Result<void> invertSmallLower(MatrixViewT<double> l) {
    std::vector<double> row(l.rows);
    for (size_t i = 0; i < l.rows; ++i) {
        const double pivot = l(i, i);
        if (pivot == 0)
            return Error{ErrorCode::Backend,
                         fmt::format("the triangle is singular (pivot {} of {})", i + 1, l.rows),
                         {}};
        std::fill_n(row.data(), i + 1, 0.0);
        for (size_t k = 0; k < i; ++k) {
            const double factor = l(i, k);
            const double* done = l.row(k);
            double* __restrict to = row.data();
            for (size_t c = 0; c <= k; ++c)
                to[c] -= factor * done[c];
        }
        for (size_t c = 0; c < i; ++c)
            l(i, c) = row[c] / pivot;
        l(i, i) = 1 / pivot;
    }
    return {};
}

} // namespace

Result<void> invertLower(MatrixViewT<double> l) {
    assert(l.rows == l.cols);
    constexpr size_t kSmall = 256; // waking the library's threads takes longer
    if (l.rows <= kSmall) return invertSmallLower(l);
    const int n = int(l.rows), stride = int(l.stride);
    if (const OpenBlas* blas = openBlas()) {
        int info = 0;
        blas->dtrtri("U", "N", &n, l.data, &stride, &info);
        if (info != 0)
            return Error{
                ErrorCode::Backend, fmt::format("the triangle is singular (pivot {} of {})", info, n), {}};
        return {};
    }
    MapD map(l.data, n, n, Strided(stride));
    const Eigen::MatrixXd inverse = map.triangularView<Eigen::Lower>().solve(Eigen::MatrixXd::Identity(n, n));
    map.triangularView<Eigen::Lower>() = inverse;
    return {};
}

} // namespace qs::linalg
