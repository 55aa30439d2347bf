// SPDX-License-Identifier: Apache-2.0
// A thread has a point and meets all centers, which pass through shared memory in tiles. Sums are made by a
// block per center that looks at all points: no order of additions that changes from run to run.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/backend/cuda/reduce.cuh"
#include "core/linalg/elements.h"

namespace qs::cuda {

namespace {

constexpr unsigned kThreads = 256, kColumnsTogether = 8;
constexpr size_t kTileValues = 4096;
static_assert(kTileValues >= kMostKMeansColumns, "a tile holds one center at least");

/// Columns 0: any number of them, p; else p is Columns and the point stays in registers.
template<int Columns>
__global__ void assignKernel(const float* points, const float* weights, size_t n, size_t p,
                             const float* centers, size_t k, uint32_t* nearest, float* losses) {
    __shared__ float tile[kTileValues];
    const size_t i = size_t(blockIdx.x) * kThreads + threadIdx.x;
    const float* point = points + (i < n ? i : 0) * p;
    float own[Columns > 0 ? Columns : 1];
    for (int j = 0; j < Columns; ++j)
        own[j] = point[j];
    float least = INFINITY;
    uint32_t best = 0;
    const size_t together = kTileValues / p;
    for (size_t first = 0; first < k; first += together) {
        const size_t count = k - first < together ? k - first : together;
        __syncthreads();
        for (size_t j = threadIdx.x; j < count * p; j += kThreads)
            tile[j] = centers[first * p + j];
        __syncthreads();
        for (size_t c = 0; c < count; ++c) {
            const float loss = Columns > 0 ? squaredDistance(own, tile + c * p, Columns)
                                           : squaredDistance(point, tile + c * p, p);
            if (loss < least) {
                least = loss;
                best = uint32_t(first + c);
            }
        }
    }
    if (i >= n) return;
    nearest[i] = best;
    losses[i] = (weights ? weights[i] : 1.0f) * least;
}

__global__ void sumsKernel(const float* points, const float* weights, const uint32_t* nearest, size_t n,
                           size_t p, double* sums) {
    __shared__ double shared[kMostThreads / kWarp];
    const size_t center = blockIdx.x, first = size_t(blockIdx.y) * kColumnsTogether;
    double own[kColumnsTogether] = {};
    for (size_t i = threadIdx.x; i < n; i += kThreads) {
        if (nearest[i] != center) continue;
        const double w = weights ? double(weights[i]) : 1.0;
        for (unsigned j = 0; j < kColumnsTogether; ++j)
            if (first + j <= p) own[j] += first + j < p ? w * double(points[i * p + first + j]) : w;
    }
    for (unsigned j = 0; j < kColumnsTogether && first + j <= p; ++j) {
        const double sum = blockSum(own[j], shared);
        if (threadIdx.x == 0) sums[center * (p + 1) + first + j] = sum;
    }
}

using Assign = void (*)(const float*, const float*, size_t, size_t, const float*, size_t, uint32_t*, float*);

Assign kernelFor(size_t p) {
    switch (p) {
    case 1:
        return assignKernel<1>;
    case 2:
        return assignKernel<2>;
    case 4:
        return assignKernel<4>;
    case 8:
        return assignKernel<8>;
    default:
        return assignKernel<0>;
    }
}

} // namespace

cudaError_t assignToCenters(const float* points, const float* weights, size_t n, size_t p,
                            const float* centers, size_t k, uint32_t* nearest, float* losses,
                            cudaStream_t stream) {
    return launch(kernelFor(p), dim3(unsigned(divideUp(n, kThreads))), kThreads, stream, points, weights, n,
                  p, centers, k, nearest, losses);
}

cudaError_t sumsByCenter(const float* points, const float* weights, const uint32_t* nearest, size_t n,
                         size_t p, size_t k, double* sums, cudaStream_t stream) {
    return launch(sumsKernel, dim3(unsigned(k), unsigned(divideUp(p + 1, kColumnsTogether))), kThreads,
                  stream, points, weights, nearest, n, p, sums);
}

} // namespace qs::cuda
