// SPDX-License-Identifier: Apache-2.0
// What rows of logits say about tokens, a block of threads per row, in float64 as on the CPU.
#include "core/backend/cuda/kernels.h"
#include "core/backend/cuda/launch.cuh"
#include "core/backend/cuda/reduce.cuh"

namespace qs::cuda {

namespace {

constexpr unsigned kThreads = 256, kWarps = kThreads / kWarp;

struct Best {
    float value;
    unsigned index;
};

__device__ Best better(Best a, Best b) {
    return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}

struct Distribution {
    double logSum;
    unsigned top;
};

/// log p_i = x_i - logSum; `top` is the first of the largest. The same for all threads of the block.
__device__ Distribution distributionOf(const float* x, size_t n, double* sums, Best* bests) {
    Best best{-INFINITY, 0};
    for (size_t i = threadIdx.x; i < n; i += kThreads)
        best = better(best, {x[i], unsigned(i)});
    for (unsigned step = kWarp / 2; step > 0; step /= 2) {
        const Best other{__shfl_xor_sync(0xffffffffu, best.value, int(step)),
                         __shfl_xor_sync(0xffffffffu, best.index, int(step))};
        best = better(best, other);
    }
    __syncthreads(); // the last use of `bests` is over
    if (threadIdx.x % kWarp == 0) bests[threadIdx.x / kWarp] = best;
    __syncthreads();
    best = bests[0];
    for (unsigned w = 1; w < kWarps; ++w)
        best = better(best, bests[w]);
    const double top = double(best.value);
    double sum = 0;
    for (size_t i = threadIdx.x; i < n; i += kThreads)
        sum += exp(double(x[i]) - top);
    return {top + log(blockSum(sum, sums)), best.index};
}

__global__ void scoresKernel(Scores s) {
    __shared__ double sums[kWarps];
    __shared__ Best bests[kWarps];
    const size_t row = s.rows[blockIdx.x];
    const uint32_t target = s.targets[blockIdx.x];
    const float *own = s.logits + row * s.vocabulary,
                *other = s.reference ? s.reference + row * s.vocabulary : nullptr;
    const Distribution p = distributionOf(own, s.vocabulary, sums, bests);
    Score out = {float(p.logSum - double(own[target])), 0, 0, int32_t(p.top), 0};
    if (other) {
        const Distribution r = distributionOf(other, s.vocabulary, sums, bests);
        double kl = 0;
        for (size_t i = threadIdx.x; i < s.vocabulary; i += kThreads) {
            const double lr = double(other[i]) - r.logSum;
            kl += exp(lr) * (lr - (double(own[i]) - p.logSum));
        }
        kl = blockSum(kl, sums);
        out.referenceNll = float(r.logSum - double(other[target]));
        out.referenceTop = int32_t(r.top);
        out.kl = float(kl < 0 ? 0 : kl); // NaN stays
    }
    if (threadIdx.x == 0) s.out[blockIdx.x] = out;
}

} // namespace

cudaError_t scoreLogits(const Scores& s, cudaStream_t stream) {
    return launch(scoresKernel, dim3(unsigned(s.count)), kThreads, stream, s);
}

} // namespace qs::cuda
