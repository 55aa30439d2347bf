// SPDX-License-Identifier: Apache-2.0
// The parts of a blocked, right-looking Cholesky factorization (Golub and Van Loan, Matrix Computations,
// 4.2.9) that are not a matrix product, in float64.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"

namespace qs::cuda {

namespace {

constexpr int kBlock = int(kCholeskyBlock), kThreads = 256, kPanelThreads = 64;

__global__ void reverseKernel(double* h, size_t size) {
    for (size_t i = loopBegin(); i < size / 2; i += loopStride()) {
        const double x = h[i];
        h[i] = h[size - 1 - i];
        h[size - 1 - i] = x;
    }
}

/// One block of threads. A pivot that is not above 0 is reported and then left alone: what follows is not
/// used.
__global__ void diagonalKernel(double* h, size_t n, size_t first, int* failed) {
    __shared__ double l[kBlock][kBlock + 1];
    const int count = int(n - first < size_t(kBlock) ? n - first : size_t(kBlock));
    for (int i = int(threadIdx.x); i < count * count; i += kThreads)
        l[i / count][i % count] = h[(first + i / count) * n + first + i % count];
    __syncthreads();
    for (int p = 0; p < count; ++p) {
        const double pivot = l[p][p];
        __syncthreads(); // all have read it
        if (threadIdx.x == 0) {
            if (!(pivot > 0) && *failed == 0) *failed = int(first) + p + 1;
            l[p][p] = sqrt(pivot);
        }
        const double inverse = 1.0 / sqrt(pivot);
        for (int r = p + 1 + int(threadIdx.x); r < count; r += kThreads)
            l[r][p] *= inverse;
        __syncthreads();
        const int rest = count - p - 1;
        for (int i = int(threadIdx.x); i < rest * rest; i += kThreads) {
            const int r = p + 1 + i / rest, c = p + 1 + i % rest;
            if (c <= r) l[r][c] = fma(-l[r][p], l[c][p], l[r][c]);
        }
        __syncthreads();
    }
    for (int i = int(threadIdx.x); i < count * count; i += kThreads)
        if (i % count <= i / count) h[(first + i / count) * n + first + i % count] = l[i / count][i % count];
}

/// Rows below the diagonal block times the inverse of its transpose, one thread per row: x L^T = h by forward
/// substitution. `first` is the block's, which is whole where rows follow it.
__global__ void panelKernel(double* h, size_t n, size_t first) {
    __shared__ double l[kBlock * (kBlock + 1) / 2];
    for (int i = int(threadIdx.x); i < kBlock * kBlock; i += kPanelThreads) {
        const int r = i / kBlock, c = i % kBlock;
        if (c <= r) l[r * (r + 1) / 2 + c] = h[(first + r) * n + first + c];
    }
    __syncthreads();
    const size_t row = first + kBlock + size_t(blockIdx.x) * kPanelThreads + threadIdx.x;
    if (row >= n) return;
    double x[kBlock];
    double* at = h + row * n + first;
#pragma unroll
    for (int c = 0; c < kBlock; ++c) {
        double sum = at[c];
#pragma unroll
        for (int k = 0; k < c; ++k)
            sum = fma(-x[k], l[c * (c + 1) / 2 + k], sum);
        x[c] = sum / l[c * (c + 1) / 2 + c];
    }
#pragma unroll
    for (int c = 0; c < kBlock; ++c)
        at[c] = x[c];
}

__global__ void clearUpperKernel(double* h, size_t n) {
    for (size_t i = loopBegin(); i < n * n; i += loopStride())
        if (i % n > i / n) h[i] = 0.0;
}

__global__ void toFloatKernel(const double* x, float* y, size_t n) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        y[i] = float(x[i]);
}

__global__ void copyBlockKernel(const double* h, size_t n, size_t first, size_t count, double* block) {
    for (size_t i = loopBegin(); i < count * count; i += loopStride())
        block[i] = h[(first + i / count) * n + first + i % count];
}

} // namespace

cudaError_t toFloat(const double* x, float* y, size_t n, cudaStream_t stream) {
    return launch(toFloatKernel, loopBlocks(n, kThreads), kThreads, stream, x, y, n);
}

cudaError_t copyBlock(const double* h, size_t n, size_t first, size_t count, double* block,
                      cudaStream_t stream) {
    return launch(copyBlockKernel, loopBlocks(count * count, kThreads), kThreads, stream, h, n, first, count,
                  block);
}

cudaError_t reverse(double* h, size_t n, cudaStream_t stream) {
    return launch(reverseKernel, loopBlocks(n * n / 2, kThreads), kThreads, stream, h, n * n);
}

cudaError_t choleskyBlock(double* h, size_t n, size_t first, int* failed, cudaStream_t stream) {
    const cudaError_t e = launch(diagonalKernel, dim3(1), kThreads, stream, h, n, first, failed);
    if (e != cudaSuccess || n - first <= kCholeskyBlock) return e;
    const size_t rows = n - first - kCholeskyBlock;
    return launch(panelKernel, dim3(unsigned(divideUp(rows, kPanelThreads))), kPanelThreads, stream, h, n,
                  first);
}

cudaError_t clearUpper(double* h, size_t n, cudaStream_t stream) {
    return launch(clearUpperKernel, loopBlocks(n * n, kThreads), kThreads, stream, h, n);
}

} // namespace qs::cuda
