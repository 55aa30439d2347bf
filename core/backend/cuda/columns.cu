// SPDX-License-Identifier: Apache-2.0
// What GPTQ reads and writes around its recursion: columns of weights as rows, their ranges, and codes turned
// back. Matrices are turned by tiles in shared memory, so that both sides are read in whole cache lines.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"

namespace qs::cuda {

namespace {

constexpr int kTile = 32, kLines = 8, kThreads = kTile * kLines;

/// Blocks: x over rows, y over columns.
__global__ void gatherColumnsKernel(const float* x, size_t stride, size_t rows, const uint32_t* columns,
                                    size_t count, float* out) {
    __shared__ float tile[kTile][kTile + 1];
    const int lane = int(threadIdx.x) % kTile, line = int(threadIdx.x) / kTile;
    const size_t row = size_t(blockIdx.x) * kTile, column = size_t(blockIdx.y) * kTile;
    const uint32_t from = column + lane < count ? columns[column + lane] : UINT32_MAX;
    for (int i = line; i < kTile; i += kLines)
        tile[i][lane] = from != UINT32_MAX && row + i < rows ? x[(row + i) * stride + from] : 0.0f;
    __syncthreads();
    for (int i = line; i < kTile; i += kLines)
        if (column + i < count && row + lane < rows) out[(column + i) * rows + row + lane] = tile[lane][i];
}

__global__ void transposeCodesKernel(const uint8_t* from, size_t rows, size_t cols, uint8_t* to) {
    __shared__ uint8_t tile[kTile][kTile + 4];
    const int lane = int(threadIdx.x) % kTile, line = int(threadIdx.x) / kTile;
    const size_t column = size_t(blockIdx.x) * kTile, row = size_t(blockIdx.y) * kTile;
    for (int i = line; i < kTile; i += kLines)
        if (row + i < rows && column + lane < cols) tile[i][lane] = from[(row + i) * cols + column + lane];
    __syncthreads();
    for (int i = line; i < kTile; i += kLines)
        if (column + i < cols && row + lane < rows) to[(column + i) * rows + row + lane] = tile[lane][i];
}

/// kTile columns a block; every line of its threads sees each kLines-th row.
__global__ void columnRangesKernel(const float* x, size_t rows, size_t cols, float* low, float* high) {
    __shared__ float least[kLines][kTile], most[kLines][kTile];
    const int lane = int(threadIdx.x) % kTile, line = int(threadIdx.x) / kTile;
    const size_t c = size_t(blockIdx.x) * kTile + lane;
    float lowest = INFINITY, highest = -INFINITY;
    for (size_t r = line; c < cols && r < rows; r += kLines) {
        const float v = x[r * cols + c];
        lowest = fminf(lowest, v);
        highest = fmaxf(highest, v);
    }
    least[line][lane] = lowest;
    most[line][lane] = highest;
    __syncthreads();
    if (line != 0 || c >= cols) return;
    for (int i = 1; i < kLines; ++i) {
        lowest = fminf(lowest, least[i][lane]);
        highest = fmaxf(highest, most[i][lane]);
    }
    low[c] = lowest;
    high[c] = highest;
}

/// A warp for each group.
__global__ void groupRangesKernel(const float* x, size_t rows, size_t cols, size_t groupSize, size_t groups,
                                  float* low, float* high) {
    const size_t index = (size_t(blockIdx.x) * kThreads + threadIdx.x) / kTile;
    const int lane = int(threadIdx.x) % kTile;
    const size_t row = index / groups, begin = index % groups * groupSize;
    const size_t end = begin + groupSize < cols ? begin + groupSize : cols;
    float least = INFINITY, most = -INFINITY;
    for (size_t c = begin + lane; row < rows && c < end; c += kTile) {
        const float v = x[row * cols + c];
        least = fminf(least, v);
        most = fmaxf(most, v);
    }
    for (int step = kTile / 2; step > 0; step /= 2) {
        least = fminf(least, __shfl_xor_sync(0xffffffffu, least, step));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step));
    }
    if (lane != 0 || row >= rows) return;
    low[index] = least;
    high[index] = most;
}

} // namespace

cudaError_t groupRanges(const float* x, size_t rows, size_t cols, size_t groupSize, float* low, float* high,
                        cudaStream_t stream) {
    const size_t groups = divideUp(cols, groupSize);
    return launch(groupRangesKernel, dim3(unsigned(divideUp(rows * groups * kTile, kThreads))), kThreads,
                  stream, x, rows, cols, groupSize, groups, low, high);
}

cudaError_t gatherColumns(const float* x, size_t stride, size_t rows, const uint32_t* columns, size_t count,
                          float* out, cudaStream_t stream) {
    const dim3 blocks(unsigned(divideUp(rows, kTile)), unsigned(divideUp(count, kTile)));
    return launch(gatherColumnsKernel, blocks, kThreads, stream, x, stride, rows, columns, count, out);
}

cudaError_t columnRanges(const float* x, size_t rows, size_t cols, float* low, float* high,
                         cudaStream_t stream) {
    return launch(columnRangesKernel, dim3(unsigned(divideUp(cols, kTile))), kThreads, stream, x, rows, cols,
                  low, high);
}

cudaError_t transposeCodes(const uint8_t* from, size_t rows, size_t cols, uint8_t* to, cudaStream_t stream) {
    const dim3 blocks(unsigned(divideUp(cols, kTile)), unsigned(divideUp(rows, kTile)));
    return launch(transposeCodesKernel, blocks, kThreads, stream, from, rows, cols, to);
}

} // namespace qs::cuda
