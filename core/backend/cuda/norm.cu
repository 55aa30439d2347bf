// SPDX-License-Identifier: Apache-2.0
// One block of threads per row. Threads sum in float32, of each other in float64.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/backend/cuda/reduce.cuh"

namespace qs::cuda {

namespace {

__global__ void rmsNormKernel(const float* x, const float* gain, size_t cols, size_t gainRows, double eps,
                              float* y) {
    __shared__ double shared[kMostThreads / kWarp];
    const size_t row = blockIdx.x;
    const float *in = x + row * cols, *g = gain + row % gainRows * cols;
    float squares = 0;
    for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
        squares = fmaf(in[i], in[i], squares);
    const float scale = float(1.0 / sqrt(blockSum(double(squares), shared) / double(cols) + eps));
    for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
        y[row * cols + i] = in[i] * scale * g[i];
}

__global__ void layerNormKernel(const float* x, const float* gain, const float* bias, size_t cols,
                                size_t gainRows, double eps, float* y) {
    __shared__ double shared[kMostThreads / kWarp];
    const size_t row = blockIdx.x, at = row % gainRows * cols;
    const float* in = x + row * cols;
    float sum = 0, squares = 0;
    for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
        sum += in[i];
    const float mean = float(blockSum(double(sum), shared) / double(cols));
    for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
        squares = fmaf(in[i] - mean, in[i] - mean, squares);
    const float scale = float(1.0 / sqrt(blockSum(double(squares), shared) / double(cols) + eps));
    for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
        y[row * cols + i] = fmaf((in[i] - mean) * scale, gain[at + i], bias[at + i]);
}

/// Short rows, such as those of heads, leave most of a large block without work.
unsigned threadsFor(size_t cols) {
    return cols <= 256 ? 64 : kMostThreads;
}

} // namespace

cudaError_t rmsNorm(const float* x, const float* gain, size_t rows, size_t cols, size_t gainRows, double eps,
                    float* y, cudaStream_t stream) {
    return launch(rmsNormKernel, dim3(unsigned(rows)), threadsFor(cols), stream, x, gain, cols, gainRows, eps,
                  y);
}

cudaError_t layerNorm(const float* x, const float* gain, const float* bias, size_t rows, size_t cols,
                      size_t gainRows, double eps, float* y, cudaStream_t stream) {
    return launch(layerNormKernel, dim3(unsigned(rows)), threadsFor(cols), stream, x, gain, bias, cols,
                  gainRows, eps, y);
}

} // namespace qs::cuda
