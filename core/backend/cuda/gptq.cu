// SPDX-License-Identifier: Apache-2.0
// One thread per row of the layer. A column's value is brought up to date when it is reached, from the errors
// of the columns before it: the same operations in the same order as updating all later columns after each
// one, so that codes are those of the CPU, but each weight is read once.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/linalg/elements.h"

namespace qs::cuda {

namespace {

constexpr int kThreads = 128, kColumns = int(kGptqColumns), kTriangle = kColumns * (kColumns + 1) / 2;
static_assert(kTriangle * sizeof(float) <= 48 * 1024, "shared memory");

__global__ void gptqKernel(GptqBlock b) {
    __shared__ float factor[kTriangle]; // by columns: (j, i), j <= i, at i (i + 1) / 2 + j
    const int n = int(b.n);
    for (int at = int(threadIdx.x); at < n * n; at += kThreads) {
        const int j = at / n, i = at % n;
        if (j <= i) factor[i * (i + 1) / 2 + j] = b.factor[j * b.factorStride + i];
    }
    __syncthreads();
    const size_t row = size_t(blockIdx.x) * kThreads + threadIdx.x;
    if (row >= b.rows) return;
    for (int i = 0; i < n; ++i) {
        const float* u = factor + i * (i + 1) / 2;
        const size_t at = i * b.rows + row;
        float w = b.weight[at];
        for (int j = 0; j < i; ++j)
            w = fmaf(-u[j], b.error[j * b.rows + row], w);
        const float scale = b.scale[at], zero = b.zero[at];
        const float code = uniformCode(w, scale, zero, float(b.maxCode));
        const float value = uniformValue(code, scale, zero);
        b.codes[at] = uint8_t(code);
        b.dequantized[at] = value;
        b.error[at] = (w - value) / u[i];
    }
}

} // namespace

cudaError_t gptqColumnBlock(const GptqBlock& b, cudaStream_t stream) {
    return launch(gptqKernel, dim3(unsigned(divideUp(b.rows, kThreads))), kThreads, stream, b);
}

} // namespace qs::cuda
