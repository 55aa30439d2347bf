// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/backend/cuda/reduce.cuh"

namespace qs::cuda {

namespace {

constexpr unsigned kThreads = 256;

// x / (1 + exp(-slope x)): exp overflows to infinity for x << 0, and x / infinity is the limit 0.
__device__ float logistic(float x, float slopeTimesX) {
    return x / (1.0f + expf(-slopeTimesX));
}

template<Function F>
__device__ float apply(float x) {
    switch (F) {
    case Function::Silu:
        return logistic(x, x);
    case Function::GeluErf: // erfc keeps the digits of the tail for x < 0
        return 0.5f * x * erfcf(x * -0.70710678f);
    case Function::GeluTanh: // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u))
        return logistic(x, 1.5957691216f * fmaf(0.044715f * x * x, x, x));
    case Function::QuickGelu:
        return logistic(x, 1.702f * x);
    default:
        return x < 0.0f ? 0.0f : x; // NaN stays NaN
    }
}

template<Function F>
__global__ void activateKernel(float* x, size_t n) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        x[i] = apply<F>(x[i]);
}

template<Function F>
__global__ void activateMultiplyKernel(float* gate, const float* up, size_t n) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        gate[i] = apply<F>(gate[i]) * up[i];
}

__global__ void softCapKernel(float* x, float cap, size_t n) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        x[i] = cap * tanhf(x[i] / cap);
}

__global__ void addKernel(float* x, const float* y, size_t n) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        x[i] += y[i];
}

__global__ void addBiasKernel(float* x, const float* bias, size_t n, size_t cols) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        x[i] += bias[i % cols];
}

__global__ void ropeKernel(float* x, size_t pairs, size_t cols, size_t headDim, const float* cosine,
                           const float* sine, size_t half, size_t window) {
    const size_t heads = cols / headDim;
    for (size_t p = loopBegin(); p < pairs; p += loopStride()) {
        const size_t i = p % half, head = p / half % heads, row = p / half / heads;
        float* at = x + row * cols + head * headDim + i;
        const float a = at[0], b = at[half];
        const float c = cosine[row % window * half + i], s = sine[row % window * half + i];
        at[0] = a * c - b * s;
        at[half] = b * c + a * s;
    }
}

__global__ void gatherRowsKernel(const float* x, const uint32_t* rows, size_t n, size_t cols, float* y) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        y[i] = x[rows[i / cols] * cols + i % cols];
}

__global__ void addScaledRowsKernel(float* x, const uint32_t* rows, const float* weights, const float* y,
                                    size_t n, size_t cols) {
    for (size_t i = loopBegin(); i < n; i += loopStride()) {
        float* to = x + rows[i / cols] * cols + i % cols;
        *to = fmaf(y[i], weights[i / cols], *to);
    }
}

__global__ void toBf16Kernel(const float* x, uint16_t* y, size_t n) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        y[i] = bf16Bits(x[i]);
}

__global__ void addToDoubleKernel(double* sum, const float* x, size_t n, bool first) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        sum[i] = (first ? 0.0 : sum[i]) + double(x[i]);
}

__global__ void addRowsToDoubleKernel(double* sum, size_t stride, const float* x, size_t rows, size_t cols) {
    for (size_t i = loopBegin(); i < rows * cols; i += loopStride())
        sum[i / cols * stride + i % cols] += double(x[i]);
}

__global__ void addWeighedKernel(double* sum, const double* weights, const float* x, size_t rows,
                                 size_t cols) {
    __shared__ double shared[kThreads / kWarp];
    double own = 0;
    for (size_t i = loopBegin(); i < rows * cols; i += loopStride()) {
        const size_t r = i / cols, c = i % cols;
        if (c >= r) own += (c > r ? 2 : 1) * weights[i] * double(x[i]);
    }
    own = blockSum(own, shared);
    if (threadIdx.x == 0) atomicAdd(sum, own);
}

__global__ void mirrorUpperKernel(double* s, size_t n) {
    for (size_t i = loopBegin(); i < n * n; i += loopStride())
        if (i % n < i / n) s[i] = s[i % n * n + i / n];
}

/// Calls body(kernel's template argument) for f.
template<class Body>
cudaError_t dispatch(Function f, const Body& body) {
    switch (f) {
    case Function::Silu:
        return body(activateKernel<Function::Silu>, activateMultiplyKernel<Function::Silu>);
    case Function::GeluErf:
        return body(activateKernel<Function::GeluErf>, activateMultiplyKernel<Function::GeluErf>);
    case Function::GeluTanh:
        return body(activateKernel<Function::GeluTanh>, activateMultiplyKernel<Function::GeluTanh>);
    case Function::QuickGelu:
        return body(activateKernel<Function::QuickGelu>, activateMultiplyKernel<Function::QuickGelu>);
    default:
        return body(activateKernel<Function::Relu>, activateMultiplyKernel<Function::Relu>);
    }
}

using Activate = void (*)(float*, size_t);
using ActivateMultiply = void (*)(float*, const float*, size_t);

} // namespace

cudaError_t activate(Function f, float* x, size_t n, cudaStream_t stream) {
    return dispatch(f, [&](Activate kernel, ActivateMultiply) {
        return launch(kernel, loopBlocks(n, kThreads), kThreads, stream, x, n);
    });
}

cudaError_t activateMultiply(Function f, float* gate, const float* up, size_t n, cudaStream_t stream) {
    return dispatch(f, [&](Activate, ActivateMultiply kernel) {
        return launch(kernel, loopBlocks(n, kThreads), kThreads, stream, gate, up, n);
    });
}

cudaError_t softCap(float* x, float cap, size_t n, cudaStream_t stream) {
    return launch(softCapKernel, loopBlocks(n, kThreads), kThreads, stream, x, cap, n);
}

cudaError_t add(float* x, const float* y, size_t n, cudaStream_t stream) {
    return launch(addKernel, loopBlocks(n, kThreads), kThreads, stream, x, y, n);
}

cudaError_t addBias(float* x, const float* bias, size_t rows, size_t cols, cudaStream_t stream) {
    const size_t n = rows * cols;
    return launch(addBiasKernel, loopBlocks(n, kThreads), kThreads, stream, x, bias, n, cols);
}

cudaError_t rope(float* x, size_t rows, size_t cols, size_t headDim, const float* cosine, const float* sine,
                 size_t half, size_t window, cudaStream_t stream) {
    const size_t pairs = rows * (cols / headDim) * half;
    return launch(ropeKernel, loopBlocks(pairs, kThreads), kThreads, stream, x, pairs, cols, headDim, cosine,
                  sine, half, window);
}

cudaError_t gatherRows(const float* x, const uint32_t* rows, size_t count, size_t cols, float* y,
                       cudaStream_t stream) {
    const size_t n = count * cols;
    return launch(gatherRowsKernel, loopBlocks(n, kThreads), kThreads, stream, x, rows, n, cols, y);
}

cudaError_t addScaledRows(float* x, const uint32_t* rows, const float* weights, const float* y, size_t count,
                          size_t cols, cudaStream_t stream) {
    const size_t n = count * cols;
    return launch(addScaledRowsKernel, loopBlocks(n, kThreads), kThreads, stream, x, rows, weights, y, n,
                  cols);
}

cudaError_t toBf16(const float* x, uint16_t* y, size_t n, cudaStream_t stream) {
    return launch(toBf16Kernel, loopBlocks(n, kThreads), kThreads, stream, x, y, n);
}

cudaError_t addToDouble(double* sum, const float* x, size_t n, bool first, cudaStream_t stream) {
    return launch(addToDoubleKernel, loopBlocks(n, kThreads), kThreads, stream, sum, x, n, first);
}

cudaError_t addRowsToDouble(double* sum, size_t stride, const float* x, size_t rows, size_t cols,
                            cudaStream_t stream) {
    return launch(addRowsToDoubleKernel, loopBlocks(rows * cols, kThreads), kThreads, stream, sum, stride, x,
                  rows, cols);
}

cudaError_t addWeighed(double* sum, const double* weights, const float* x, size_t rows, size_t cols,
                       cudaStream_t stream) {
    constexpr size_t kMostBlocks = 1024;
    const size_t blocks = divideUp(rows * cols, kThreads);
    return launch(addWeighedKernel, dim3(unsigned(blocks < kMostBlocks ? blocks : kMostBlocks)), kThreads,
                  stream, sum, weights, x, rows, cols);
}

cudaError_t mirrorUpper(double* s, size_t n, cudaStream_t stream) {
    return launch(mirrorUpperKernel, loopBlocks(n * n, kThreads), kThreads, stream, s, n);
}

} // namespace qs::cuda
