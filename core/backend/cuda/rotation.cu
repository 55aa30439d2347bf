// SPDX-License-Identifier: Apache-2.0
// A block has a row. A thread takes up to 16 values through four stages of butterflies at a time; the stages
// are those of the CPU in their order, so the sums are the same bits.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"

namespace qs::cuda {

namespace {

constexpr unsigned kThreads = 256;

__device__ void multiplySigns(float* row, const float* signs, size_t cols) {
    for (size_t c = threadIdx.x; c < cols; c += kThreads)
        row[c] *= signs[c];
    __syncthreads();
}

/// The stages of values `half`, 2 half, .. Radix / 2 half steps apart; a step is `rest` values.
template<int Radix>
__device__ void butterflies(float* row, size_t power, size_t rest, size_t half) {
    const size_t span = half * rest; // between two values of a thread
    for (size_t u = threadIdx.x; u < power / Radix * rest; u += kThreads) {
        float* at = row + u / span * span * Radix + u % span;
        float v[Radix];
#pragma unroll
        for (int i = 0; i < Radix; ++i)
            v[i] = at[size_t(i) * span];
#pragma unroll
        for (int step = 1; step < Radix; step *= 2)
#pragma unroll
            for (int i = 0; i < Radix; ++i)
                if ((i & step) == 0) {
                    const float a = v[i], b = v[i + step];
                    v[i] = a + b;
                    v[i + step] = a - b;
                }
#pragma unroll
        for (int i = 0; i < Radix; ++i)
            at[size_t(i) * span] = v[i];
    }
    __syncthreads();
}

__global__ void hadamardKernel(float* x, size_t cols, size_t power, const float* signs, bool after) {
    float* row = x + size_t(blockIdx.x) * cols;
    const size_t rest = cols / power;
    if (!after) multiplySigns(row, signs, cols);
    size_t half = 1;
    for (; power / half >= 16; half *= 16)
        butterflies<16>(row, power, rest, half);
    if (power / half == 8)
        butterflies<8>(row, power, rest, half);
    else if (power / half == 4)
        butterflies<4>(row, power, rest, half);
    else if (power / half == 2)
        butterflies<2>(row, power, rest, half);
    if (after) multiplySigns(row, signs, cols);
}

__global__ void multiplyBlocksKernel(const float* x, size_t n, const double* q, size_t order, bool transposed,
                                     float* y) {
    for (size_t i = loopBegin(); i < n; i += loopStride()) {
        const size_t place = i % order;
        const float* block = x + (i - place);
        double sum = 0;
        for (size_t j = 0; j < order; ++j)
            sum += q[transposed ? j * order + place : place * order + j] * double(block[j]);
        y[i] = float(sum);
    }
}

} // namespace

cudaError_t hadamardRows(float* x, size_t rows, size_t cols, size_t power, const float* signs, bool after,
                         cudaStream_t stream) {
    return launch(hadamardKernel, dim3(unsigned(rows)), kThreads, stream, x, cols, power, signs, after);
}

cudaError_t multiplyBlocks(const float* x, size_t n, const double* q, size_t order, bool transposed, float* y,
                           cudaStream_t stream) {
    return launch(multiplyBlocksKernel, loopBlocks(n, kThreads), kThreads, stream, x, n, q, order, transposed,
                  y);
}

} // namespace qs::cuda
