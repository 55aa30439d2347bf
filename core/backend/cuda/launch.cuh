// SPDX-License-Identifier: Apache-2.0
// What kernels share: launching them and rounding to bfloat16.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace qs::cuda {

/// Enqueues `kernel` on `blocks` blocks; nothing when there are none.
template<class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 blocks, unsigned threads, cudaStream_t stream,
                   Arguments... arguments) {
    if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return cudaSuccess;
    cudaLaunchConfig_t config = {};
    config.gridDim = blocks;
    config.blockDim = dim3(threads);
    config.stream = stream;
    return cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

inline size_t divideUp(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/// Blocks of a loop over `count` indices whose threads go on in strides of the grid.
inline dim3 loopBlocks(size_t count, unsigned threads) {
    const size_t most = size_t(1) << 20, blocks = divideUp(count, threads);
    return dim3(unsigned(blocks < most ? blocks : most));
}

__device__ inline size_t loopBegin() {
    return size_t(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline size_t loopStride() {
    return size_t(gridDim.x) * blockDim.x;
}

/// To nearest, ties to even; NaN stays NaN.
__device__ inline uint16_t bf16Bits(float x) {
    const uint32_t bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return uint16_t(bits >> 16 | 0x40u);
    return uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
__device__ inline float bf16Value(uint16_t bits) {
    return __uint_as_float(uint32_t(bits) << 16);
}

} // namespace qs::cuda
