// SPDX-License-Identifier: Apache-2.0
// One thread per row of the layer. Columns go in panels that stay in registers: each error reaches the later
// columns of its panel at once, and those behind the panel together with the panel's other errors. Every
// column gets the same operations in the same order as on the CPU, so codes are the same.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/linalg/elements.h"

namespace qs::cuda {

namespace {

constexpr int kThreads = 64, kPanel = 32, kColumns = int(kGptqColumns);

/// The rows of the factor that belong to a panel, transposed: (column, row of the panel).
using PanelFactor = float[kColumns][kPanel];

__device__ void loadFactor(const GptqBlock& b, int first, PanelFactor& factor) {
    const int n = int(b.n), count = n - first < kPanel ? n - first : kPanel;
    for (int at = int(threadIdx.x); at < kPanel * n; at += kThreads) {
        const int i = at / n, j = at % n;
        factor[j][i] = i < count && j >= first + i ? b.factor[(first + i) * b.factorStride + j] : 0.0f;
    }
}

/// Column `column`, whose current weight is w: its code; what is left of the weight over the pivot.
__device__ float roundColumn(const GptqBlock& b, size_t row, int column, float w, float pivot) {
    const size_t at = column * b.rows + row;
    const size_t parameter = column * b.parameterStride + row;
    const float scale = b.scale[parameter], zero = b.zero[parameter];
    const float code = uniformCode(w, scale, zero, float(b.maxCode));
    const float value = uniformValue(code, scale, zero), error = (w - value) / pivot;
    b.codes[at] = uint8_t(code);
    b.change[at] = b.original[at] - value;
    b.error[at] = error;
    return error;
}

__device__ void solvePanel(const GptqBlock& b, size_t row, int first, const PanelFactor& factor) {
    const int n = int(b.n);
    float w[kPanel], error[kPanel];
#pragma unroll
    for (int i = 0; i < kPanel; ++i)
        w[i] = first + i < n ? b.weight[(first + i) * b.rows + row] : 0.0f;
#pragma unroll
    for (int i = 0; i < kPanel; ++i) {
        error[i] = 0;
        if (first + i >= n) continue;
        error[i] = roundColumn(b, row, first + i, w[i], factor[first + i][i]);
#pragma unroll
        for (int k = i + 1; k < kPanel; ++k)
            if (first + k < n) w[k] = fmaf(-factor[first + k][i], error[i], w[k]);
    }
    for (int j = first + kPanel; j < n; ++j) {
        float later = b.weight[j * b.rows + row];
#pragma unroll
        for (int i = 0; i < kPanel; ++i)
            later = fmaf(-factor[j][i], error[i], later);
        b.weight[j * b.rows + row] = later;
    }
}

__global__ void gptqKernel(GptqBlock b) {
    __shared__ __align__(16) PanelFactor factor;
    const size_t row = size_t(blockIdx.x) * kThreads + threadIdx.x;
    for (int first = 0; first < int(b.n); first += kPanel) {
        __syncthreads(); // the last panel's is not being read any more
        loadFactor(b, first, factor);
        __syncthreads();
        if (row < b.rows) solvePanel(b, row, first, factor);
    }
}

} // namespace

cudaError_t gptqColumnBlock(const GptqBlock& b, cudaStream_t stream) {
    return launch(gptqKernel, dim3(unsigned(divideUp(b.rows, kThreads))), kThreads, stream, b);
}

} // namespace qs::cuda
