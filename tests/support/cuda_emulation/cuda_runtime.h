// SPDX-License-Identifier: Apache-2.0
// The language of kernels on the CPU. The threads of a block are fibers that run one after the other from
// barrier to barrier; blocks run one after the other.
#pragma once

#include "cuda_runtime_api.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(16) float4 {
    float x, y, z, w;
};

inline uint32_t __float_as_uint(float x) {
    return std::bit_cast<uint32_t>(x);
}
inline float __uint_as_float(uint32_t bits) {
    return std::bit_cast<float>(bits);
}

namespace qs::emulation {

/// Enqueues `thread` for every thread of the grid.
cudaError_t launch(dim3 grid, dim3 block, cudaStream_t stream, std::function<void()> thread);
void syncBlock();
/// Every thread of the warp gives 8 bytes and gets those of the lane whose number differs in `laneMask`.
uint64_t exchange(uint64_t value, unsigned laneMask);
/// mma.m16n8k8 of tf32, see core/backend/cuda/mma.cuh. Factors lose what a tensor core does not read.
void multiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

} // namespace qs::emulation

inline void __syncthreads() {
    qs::emulation::syncBlock();
}

// Only one thread runs at a time.
template<class T>
T atomicAdd(T* to, T value) {
    const T before = *to;
    *to += value;
    return before;
}

template<class T>
T __shfl_xor_sync(unsigned, T value, int laneMask) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    bits = qs::emulation::exchange(bits, unsigned(laneMask));
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
};

template<class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
    return qs::emulation::launch(
        config->gridDim, config->blockDim, config->stream,
        [kernel, values = std::tuple<Parameters...>(arguments...)] { std::apply(kernel, values); });
}
