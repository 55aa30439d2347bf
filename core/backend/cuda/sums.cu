// SPDX-License-Identifier: Apache-2.0
// Sums by column: a thread has a column of some rows, and a second kernel adds what those give in the order
// of the rows, so that the result is the same each time.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/backend/cuda/reduce.cuh"
#include "core/linalg/elements.h"

namespace qs::cuda {

namespace {

constexpr unsigned kThreads = 256, kSharedBins = 4096, kCountingBlocks = 1024, kTallyColumns = 8;

__global__ void columnSumsKernel(const float* x, size_t rows, size_t cols, const float* shift, size_t chunk,
                                 ColumnSum* sums) {
    const size_t c = size_t(blockIdx.x) * kThreads + threadIdx.x, first = blockIdx.y * chunk;
    if (c >= cols) return;
    ColumnSum sum = {{0, 0, 0, 0}, 0, INFINITY, -INFINITY};
    const float about = shift[c];
    for (size_t r = first; r < rows && r < first + chunk; ++r) {
        const float v = x[r * cols + c];
        if (!isFiniteValue(v)) {
            ++sum.notFinite;
            continue;
        }
        sum.min = fminf(sum.min, v);
        sum.max = fmaxf(sum.max, v);
        addPowers(v, about, sum.powers);
    }
    sums[blockIdx.y * cols + c] = sum;
}

__device__ void join(ColumnSum& sum, const ColumnSum& part) {
    for (int k = 0; k < 4; ++k)
        sum.powers[k] += part.powers[k];
    sum.notFinite += part.notFinite;
    sum.min = fminf(sum.min, part.min);
    sum.max = fmaxf(sum.max, part.max);
}

__global__ void joinSumsKernel(size_t chunks, size_t cols, ColumnSum* sums) {
    const size_t c = size_t(blockIdx.x) * kThreads + threadIdx.x;
    if (c >= cols) return;
    ColumnSum sum = sums[c];
    for (size_t i = 1; i < chunks; ++i)
        join(sum, sums[i * cols + c]);
    if (sum.min > sum.max) sum.min = sum.max = 0; // nothing finite
    sums[c] = sum;
}

__global__ void addSumsKernel(size_t chunks, size_t cols, const ColumnSum* sums, ColumnSum* total) {
    const size_t c = size_t(blockIdx.x) * kThreads + threadIdx.x;
    if (c >= cols) return;
    ColumnSum sum = total[c];
    for (size_t i = 0; i < chunks; ++i)
        join(sum, sums[i * cols + c]);
    total[c] = sum;
}

/// A block counts some rows of kTallyColumns columns.
__global__ void magnitudesKernel(const float* x, size_t rows, size_t cols, size_t chunk, unsigned* counts) {
    __shared__ unsigned own[kTallyColumns * kMagnitudeBins];
    for (unsigned i = threadIdx.x; i < kTallyColumns * kMagnitudeBins; i += kThreads)
        own[i] = 0;
    __syncthreads();
    const unsigned column = threadIdx.x % kTallyColumns;
    const size_t c = size_t(blockIdx.x) * kTallyColumns + column, first = blockIdx.y * chunk;
    for (size_t r = first + threadIdx.x / kTallyColumns; c < cols && r < rows && r < first + chunk;
         r += kThreads / kTallyColumns) {
        const float v = x[r * cols + c];
        if (isFiniteValue(v))
            atomicAdd(own + column * kMagnitudeBins + magnitudeBin(__float_as_uint(v) & 0x7fffffffu), 1u);
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < kTallyColumns * kMagnitudeBins; i += kThreads) {
        const size_t at = size_t(blockIdx.x) * kTallyColumns * kMagnitudeBins + i;
        if (own[i] > 0 && at < cols * kMagnitudeBins) atomicAdd(counts + at, own[i]);
    }
}

__global__ void rowAbsmaxKernel(const float* x, size_t cols, float* absmax) {
    __shared__ float shared[kMostThreads / kWarp];
    const float* row = x + size_t(blockIdx.x) * cols;
    float most = 0;
    for (size_t c = threadIdx.x; c < cols; c += kThreads)
        if (isFiniteValue(row[c])) most = fmaxf(most, fabsf(row[c]));
    most = blockMax(most, shared);
    if (threadIdx.x == 0) absmax[blockIdx.x] = most;
}

__device__ size_t placeOf(const EqualBins& bins, float x) {
    if (bins.holds(double(x))) return bins.indexOf(double(x));
    return bins.count + (!isFiniteValue(x) ? 2 : double(x) < bins.lo ? 0 : 1);
}

// A block counts fewer than 2^32 values: 2^42 of them would fill 16 TiB.
__global__ void countFewKernel(const float* x, size_t n, EqualBins bins, unsigned long long* counts) {
    __shared__ unsigned own[kSharedBins];
    const unsigned places = unsigned(bins.count) + 3;
    for (unsigned i = threadIdx.x; i < places; i += kThreads)
        own[i] = 0;
    __syncthreads();
    for (size_t i = loopBegin(); i < n; i += loopStride())
        atomicAdd(own + placeOf(bins, x[i]), 1u);
    __syncthreads();
    for (unsigned i = threadIdx.x; i < places; i += kThreads)
        if (own[i] > 0) atomicAdd(counts + i, (unsigned long long)(own[i]));
}

__global__ void countManyKernel(const float* x, size_t n, EqualBins bins, unsigned long long* counts) {
    for (size_t i = loopBegin(); i < n; i += loopStride())
        atomicAdd(counts + placeOf(bins, x[i]), 1ull);
}

} // namespace

cudaError_t columnSums(const float* x, size_t rows, size_t cols, const float* shift, size_t chunk,
                       ColumnSum* sums, cudaStream_t stream) {
    const size_t chunks = divideUp(rows, chunk);
    const unsigned across = unsigned(divideUp(cols, kThreads));
    const cudaError_t e = launch(columnSumsKernel, dim3(across, unsigned(chunks)), kThreads, stream, x, rows,
                                 cols, shift, chunk, sums);
    if (e != cudaSuccess || chunks == 0) return e;
    return launch(joinSumsKernel, dim3(across), kThreads, stream, chunks, cols, sums);
}

cudaError_t tallyColumns(const float* x, size_t rows, size_t cols, const float* shift, size_t chunk,
                         ColumnSum* sums, ColumnSum* total, cudaStream_t stream) {
    const size_t chunks = divideUp(rows, chunk);
    const unsigned across = unsigned(divideUp(cols, kThreads));
    const cudaError_t e = launch(columnSumsKernel, dim3(across, unsigned(chunks)), kThreads, stream, x, rows,
                                 cols, shift, chunk, sums);
    if (e != cudaSuccess || chunks == 0) return e;
    return launch(addSumsKernel, dim3(across), kThreads, stream, chunks, cols, sums, total);
}

cudaError_t countMagnitudes(const float* x, size_t rows, size_t cols, unsigned* counts, cudaStream_t stream) {
    constexpr size_t kRows = 512;
    const dim3 blocks(unsigned(divideUp(cols, kTallyColumns)), unsigned(divideUp(rows, kRows)));
    return launch(magnitudesKernel, blocks, kThreads, stream, x, rows, cols, kRows, counts);
}

cudaError_t rowAbsmax(const float* x, size_t rows, size_t cols, float* absmax, cudaStream_t stream) {
    return launch(rowAbsmaxKernel, dim3(unsigned(rows)), kThreads, stream, x, cols, absmax);
}

cudaError_t countValues(const float* x, size_t n, double lo, double hi, size_t bins,
                        unsigned long long* counts, cudaStream_t stream) {
    const size_t blocks = divideUp(n, kThreads);
    return launch(bins + 3 <= kSharedBins ? countFewKernel : countManyKernel,
                  dim3(unsigned(blocks < kCountingBlocks ? blocks : kCountingBlocks)), kThreads, stream, x, n,
                  equalBins(lo, hi, bins), counts);
}

} // namespace qs::cuda
