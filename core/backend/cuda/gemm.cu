// SPDX-License-Identifier: Apache-2.0
// Matrix products without cuBLAS. A block of 16 x 16 threads owns a tile of c; slices of a and b go through
// shared memory, the next ones are read while the present ones are multiplied, and each thread keeps
// tile^2 / 256 sums in registers. Bfloat16 factors are widened, so that their products are exact.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"

namespace qs::cuda {

namespace {

constexpr int kSide = 16, kThreads = kSide * kSide, kDepth = 16;

/// How a stored value becomes one of the type that sums are kept in.
template<Stored S>
struct Reader {
    using Sum = float;
    __device__ static float read(const void* m, size_t i) {
        const float x = static_cast<const float*>(m)[i];
        return S == Stored::Rounded ? bf16Value(bf16Bits(x)) : x;
    }
};
template<>
struct Reader<Stored::Bf16> {
    using Sum = float;
    __device__ static float read(const void* m, size_t i) {
        return bf16Value(static_cast<const uint16_t*>(m)[i]);
    }
};
template<>
struct Reader<Stored::F64> {
    using Sum = double;
    __device__ static double read(const void* m, size_t i) { return static_cast<const double*>(m)[i]; }
};

__device__ inline float multiplyAdd(float a, float b, float c) {
    return fmaf(a, b, c);
}
__device__ inline double multiplyAdd(double a, double b, double c) {
    return fma(a, b, c);
}

/// 16 bytes, which one instruction moves.
template<class T>
struct alignas(16) Pack {
    static constexpr int kCount = 16 / sizeof(T);
    T values[kCount];
};

/// A slice [kDepth, Tile] of op(m) on its way from device memory: lines are rows of c for a, columns for b.
template<Stored S, int Tile>
struct Slice {
    using T = typename Reader<S>::Sum;
    static constexpr int kEach = Tile * kDepth / kThreads;
    static constexpr int kPitch = Tile + Pack<T>::kCount; ///< the extra words spread banks
    T held[kEach];

    /// Neighbouring threads read neighbouring addresses: along the depth when that is contiguous.
    __device__ static void place(bool depthContiguous, int i, int& line, int& depth) {
        const int at = i * kThreads + int(threadIdx.x);
        line = depthContiguous ? at / kDepth : at % Tile;
        depth = depthContiguous ? at % kDepth : at / Tile;
    }
    __device__ void read(const void* m, size_t stride, bool depthContiguous, size_t firstLine, size_t lines,
                         size_t firstDepth, size_t depths) {
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
            int line, depth;
            place(depthContiguous, i, line, depth);
            const size_t l = firstLine + line, d = firstDepth + depth;
            held[i] = l < lines && d < depths
                          ? Reader<S>::read(m, depthContiguous ? l * stride + d : d * stride + l)
                          : T(0);
        }
    }
    __device__ void write(T (*shared)[kPitch], bool depthContiguous) const {
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
            int line, depth;
            place(depthContiguous, i, line, depth);
            shared[depth][line] = held[i];
        }
    }
};

/// The place in the tile of a thread's value v: packs of neighbours, kSide packs apart.
template<class T>
__device__ int placeOf(int thread, int v) {
    constexpr int n = Pack<T>::kCount;
    return v / n * (kSide * n) + thread * n + v % n;
}

/// sums += the product of two slices in shared memory.
template<class T, int Each, int Pitch>
__device__ void multiplySlices(const T (*a)[Pitch], const T (*b)[Pitch], int row, int column,
                               T (&sums)[Each][Each]) {
    constexpr int n = Pack<T>::kCount;
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
        Pack<T> x[Each / n], y[Each / n];
#pragma unroll
        for (int g = 0; g < Each / n; ++g) {
            x[g] = *reinterpret_cast<const Pack<T>*>(&a[d][placeOf<T>(row, g * n)]);
            y[g] = *reinterpret_cast<const Pack<T>*>(&b[d][placeOf<T>(column, g * n)]);
        }
#pragma unroll
        for (int i = 0; i < Each; ++i)
#pragma unroll
            for (int j = 0; j < Each; ++j)
                sums[i][j] = multiplyAdd(x[i / n].values[i % n], y[j / n].values[j % n], sums[i][j]);
    }
}

template<class T, int Each>
__device__ void writeSums(const Product& p, size_t firstRow, size_t firstColumn, int row, int column,
                          const T (&sums)[Each][Each]) {
    T* c = static_cast<T*>(p.c);
    const T alpha = T(p.alpha), beta = T(p.beta);
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        const size_t r = firstRow + placeOf<T>(row, i);
        if (r >= p.m) continue;
#pragma unroll
        for (int j = 0; j < Each; ++j) {
            const size_t k = firstColumn + placeOf<T>(column, j);
            if (k >= p.n) continue;
            T* at = c + r * p.strideC + k;
            *at = beta == T(0) ? alpha * sums[i][j] : multiplyAdd(alpha, sums[i][j], beta * *at);
        }
    }
}

/// Blocks are numbered along the rows of c first, so that those that run together share columns of b.
template<Stored A, Stored B, bool TransposeA, bool TransposeB, int Tile>
__global__ void __launch_bounds__(kThreads, 2) productKernel(Product p) {
    using SliceA = Slice<A, Tile>;
    using SliceB = Slice<B, Tile>;
    using T = typename SliceA::T;
    constexpr int kEach = Tile / kSide;
    static_assert(2 * kDepth * (SliceA::kPitch + SliceB::kPitch) * sizeof(T) <= 48 * 1024, "shared memory");
    __shared__ __align__(16) T sharedA[2][kDepth][SliceA::kPitch], sharedB[2][kDepth][SliceB::kPitch];

    const size_t rowTiles = (p.m + Tile - 1) / Tile;
    const size_t firstRow = blockIdx.x % rowTiles * Tile, firstColumn = blockIdx.x / rowTiles * Tile;
    const int row = int(threadIdx.x) / kSide, column = int(threadIdx.x) % kSide;
    T sums[kEach][kEach] = {};
    SliceA a;
    SliceB b;
    a.read(p.a, p.strideA, !TransposeA, firstRow, p.m, 0, p.k);
    b.read(p.b, p.strideB, TransposeB, firstColumn, p.n, 0, p.k);
    int present = 0;
    for (size_t depth = 0; depth < p.k; depth += kDepth, present ^= 1) {
        a.write(sharedA[present], !TransposeA);
        b.write(sharedB[present], TransposeB);
        __syncthreads(); // also: the other half is not being read any more
        if (depth + kDepth < p.k) {
            a.read(p.a, p.strideA, !TransposeA, firstRow, p.m, depth + kDepth, p.k);
            b.read(p.b, p.strideB, TransposeB, firstColumn, p.n, depth + kDepth, p.k);
        }
        multiplySlices<T, kEach, SliceA::kPitch>(sharedA[present], sharedB[present], row, column, sums);
    }
    writeSums<T, kEach>(p, firstRow, firstColumn, row, column, sums);
}

template<Stored A, Stored B, bool TransposeA, bool TransposeB, int Tile>
cudaError_t launchTiles(const Product& p, cudaStream_t stream) {
    const size_t tiles = divideUp(p.m, Tile) * divideUp(p.n, Tile);
    return launch(productKernel<A, B, TransposeA, TransposeB, Tile>, dim3(unsigned(tiles)), kThreads, stream,
                  p);
}

/// Large tiles read each value less often; small ones keep more multiprocessors busy.
template<Stored A, Stored B, bool TransposeA, bool TransposeB>
cudaError_t launchProduct(const Product& p, cudaStream_t stream) {
    constexpr size_t kEnoughTiles = 128;
    if (A == Stored::F64 || divideUp(p.m, 128) * divideUp(p.n, 128) < kEnoughTiles || p.m <= 64)
        return launchTiles<A, B, TransposeA, TransposeB, 64>(p, stream);
    return launchTiles < A, B, TransposeA, TransposeB, A == Stored::F64 ? 64 : 128 > (p, stream);
}

} // namespace

cudaError_t product(const Product& p, cudaStream_t stream) {
    if (p.m == 0 || p.n == 0) return cudaSuccess;
    const auto is = [&](Stored a, Stored b, bool ta, bool tb) {
        return p.typeA == a && p.typeB == b && p.transposeA == ta && p.transposeB == tb;
    };
    if (is(Stored::F32, Stored::F32, false, true))
        return launchProduct<Stored::F32, Stored::F32, false, true>(p, stream);
    if (is(Stored::F32, Stored::F32, true, false))
        return launchProduct<Stored::F32, Stored::F32, true, false>(p, stream);
    if (is(Stored::Rounded, Stored::Bf16, false, true))
        return launchProduct<Stored::Rounded, Stored::Bf16, false, true>(p, stream);
    if (is(Stored::Rounded, Stored::Rounded, true, false))
        return launchProduct<Stored::Rounded, Stored::Rounded, true, false>(p, stream);
    if (is(Stored::F64, Stored::F64, false, true))
        return launchProduct<Stored::F64, Stored::F64, false, true>(p, stream);
    return cudaErrorNotSupported;
}

} // namespace qs::cuda
