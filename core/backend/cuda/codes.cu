// SPDX-License-Identifier: Apache-2.0
// A block has a run of columns and goes down the rows: each thread finds the group of its column once.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/linalg/elements.h"

namespace qs::cuda {

namespace {

constexpr unsigned kThreads = 256, kMostLevels = 256, kRowsOfBlock = 16;

__global__ void findNotFiniteKernel(const float* x, size_t n, int* found) {
    bool all = true;
    for (size_t i = loopBegin(); i < n; i += loopStride())
        all = all && isFiniteValue(x[i]);
    if (!all) *found = 1; // whoever writes, writes the same
}

struct Parameters {
    float scale, zero;
};

__device__ Parameters parametersOf(const Groups& g, size_t row, size_t group) {
    const size_t at = (g.scaleRows == 1 ? 0 : g.blockRows == 1 ? row : row / g.blockRows) * g.groups + group;
    return {g.scale[at], g.zero ? g.zero[at] : 0.0f};
}

__device__ size_t groupOf(const Groups& g, size_t column) {
    return g.groupOfColumn ? size_t(g.groupOfColumn[column]) : column / g.groupSize;
}

__device__ void copyTable(const float* from, unsigned count, float* shared) {
    for (unsigned i = threadIdx.x; i < count; i += kThreads)
        shared[i] = from[i];
}

__global__ void roundUniformKernel(const float* x, size_t rows, size_t cols, Grid grid, Groups groups,
                                   uint8_t* codes, float* values) {
    const size_t c = size_t(blockIdx.x) * kThreads + threadIdx.x;
    if (c >= cols) return;
    const size_t group = groupOf(groups, c);
    for (size_t r = blockIdx.y; r < rows; r += gridDim.y) {
        const Parameters p = parametersOf(groups, r, group);
        const float code = uniformCode(x[r * cols + c], p.scale, p.zero, float(grid.maxCode));
        codes[r * cols + c] = uint8_t(code);
        if (values) values[r * cols + c] = uniformValue(code, p.scale, p.zero);
    }
}

__global__ void roundToLevelsKernel(const float* x, size_t rows, size_t cols, Grid grid, Groups groups,
                                    uint8_t* codes, float* values) {
    __shared__ float levels[kMostLevels];
    __shared__ float bounds[kMostLevels];
    copyTable(grid.levels, grid.maxCode + 1, levels);
    copyTable(grid.bounds, grid.boundCount, bounds);
    __syncthreads();
    const size_t c = size_t(blockIdx.x) * kThreads + threadIdx.x;
    if (c >= cols) return;
    const size_t group = groupOf(groups, c);
    for (size_t r = blockIdx.y; r < rows; r += gridDim.y) {
        const float scale = parametersOf(groups, r, group).scale;
        const size_t code =
            scale == 0.0f ? grid.zeroCode : levelCode(bounds, grid.boundCount, x[r * cols + c] / scale);
        codes[r * cols + c] = uint8_t(code);
        if (values) values[r * cols + c] = scale * levels[code];
    }
}

__global__ void decodeKernel(const uint8_t* codes, size_t rows, size_t cols, Grid grid, Groups groups,
                             float* values) {
    __shared__ float levels[kMostLevels];
    if (grid.levels) copyTable(grid.levels, grid.maxCode + 1, levels);
    __syncthreads();
    const size_t c = size_t(blockIdx.x) * kThreads + threadIdx.x;
    if (c >= cols) return;
    const size_t group = groupOf(groups, c);
    for (size_t r = blockIdx.y; r < rows; r += gridDim.y) {
        const Parameters p = parametersOf(groups, r, group);
        const unsigned given = codes[r * cols + c], code = given < grid.maxCode ? given : grid.maxCode;
        values[r * cols + c] =
            grid.levels ? p.scale * levels[code] : uniformValue(float(code), p.scale, p.zero);
    }
}

dim3 blocksFor(size_t rows, size_t cols) {
    const size_t most = 0xffff, down = divideUp(rows, kRowsOfBlock);
    return dim3(unsigned(divideUp(cols, kThreads)), unsigned(down < most ? down : most));
}

} // namespace

cudaError_t findNotFinite(const float* x, size_t n, int* found, cudaStream_t stream) {
    return launch(findNotFiniteKernel, loopBlocks(n, kThreads), kThreads, stream, x, n, found);
}

cudaError_t roundToGrid(const float* x, size_t rows, size_t cols, const Grid& grid, const Groups& groups,
                        uint8_t* codes, float* values, cudaStream_t stream) {
    return launch(grid.levels ? roundToLevelsKernel : roundUniformKernel, blocksFor(rows, cols), kThreads,
                  stream, x, rows, cols, grid, groups, codes, values);
}

cudaError_t decodeCodes(const uint8_t* codes, size_t rows, size_t cols, const Grid& grid,
                        const Groups& groups, float* values, cudaStream_t stream) {
    return launch(decodeKernel, blocksFor(rows, cols), kThreads, stream, codes, rows, cols, grid, groups,
                  values);
}

} // namespace qs::cuda
