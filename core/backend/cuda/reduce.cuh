// SPDX-License-Identifier: Apache-2.0
// Sums and maxima over the threads of a block, in an order of their own: the same each time.
#pragma once

#include <cuda_runtime.h>

namespace qs::cuda {

constexpr unsigned kWarp = 32, kMostThreads = 256;

/// The sum of `x` over the block's threads, a multiple of kWarp, for each of them; `shared` [kMostThreads /
/// kWarp].
__device__ inline double blockSum(double x, double* shared) {
    for (unsigned step = kWarp / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, int(step));
    __syncthreads(); // the last use of `shared` is over
    if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = x;
    __syncthreads();
    double sum = 0;
    for (unsigned w = 0; w < blockDim.x / kWarp; ++w)
        sum += shared[w];
    return sum;
}

/// The same of the largest; not of NaN.
__device__ inline float blockMax(float x, float* shared) {
    for (unsigned step = kWarp / 2; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, int(step)));
    __syncthreads();
    if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = x;
    __syncthreads();
    float most = shared[0];
    for (unsigned w = 1; w < blockDim.x / kWarp; ++w)
        most = fmaxf(most, shared[w]);
    return most;
}

} // namespace qs::cuda
