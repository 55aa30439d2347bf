// SPDX-License-Identifier: Apache-2.0
// Attention on tensor cores, float32 by split products (mma.cuh), with online softmax as in attention.cu. A
// block of four warps owns 64 queries of one head, 16 a warp, and goes over the keys in tiles that all warps
// share (Dao 2023, arXiv:2307.08691). Queries, scores and sums of values stay in registers: weights are
// factors of the second product where the first one left them, since the order of keys does not matter.
#include "core/backend/cuda/attention.cuh"
#include "core/backend/cuda/launch.cuh"
#include "core/backend/cuda/mma.cuh"

namespace qs::cuda {

namespace {

constexpr int kWarps = 4, kThreads = kWarps * 32, kRows = 16, kQueries = kWarps * kRows;

/// Heads of at most D values. Registers allow tiles of 64 keys for short heads.
template<int D>
struct Tiles {
    static constexpr int kKeys = D <= 64 ? 64 : 32, kPitch = D + 4; // the extra words spread banks
    using Shared = float[kKeys][kPitch];
};

struct Place {
    size_t first, query, head, kvHead; ///< the window's first row; the block's first query in it
    int group, pair; ///< of the lane: its rows group and group + 8, columns 2 pair and 2 pair + 1
};

/// What a lane knows of its two rows of queries.
template<int D>
struct Queries {
    float q[D / 8][4]; ///< factors of multiplySplit
    float values[D / 8][4];
    float largest[2], sum[2]; ///< the sum over the lane's own keys
};

template<int D>
__device__ void loadQueries(const Attention& a, const Place& p, size_t row, Queries<D>& s) {
    const size_t stride = a.heads * a.headDim;
    const float* q = a.q + p.first * stride + p.head * a.headDim;
    const auto at = [&](size_t query, size_t d) {
        return query < a.window && d < a.headDim ? q[query * stride + d] : 0.0f;
    };
#pragma unroll
    for (int i = 0; i < D / 8; ++i) {
        const size_t d = size_t(i * 8 + p.pair);
        s.q[i][0] = at(row, d);
        s.q[i][1] = at(row + 8, d);
        s.q[i][2] = at(row, d + 4);
        s.q[i][3] = at(row + 8, d + 4);
#pragma unroll
        for (int c = 0; c < 4; ++c)
            s.values[i][c] = 0.0f;
    }
    for (int i = 0; i < 2; ++i) {
        s.largest[i] = -INFINITY;
        s.sum[i] = 0.0f;
    }
}

/// Rows [key, key + kKeys) of the head's keys or values, 0 outside.
template<int D>
__device__ void loadTile(const Attention& a, const Place& p, const float* m, size_t key,
                         typename Tiles<D>::Shared& tile) {
    const size_t stride = a.kvHeads * a.headDim;
    const float* from = m + (p.first + key) * stride + p.kvHead * a.headDim;
    const int rows = int(a.window - key < size_t(Tiles<D>::kKeys) ? a.window - key : Tiles<D>::kKeys);
    const int d = int(a.headDim);
    if (d % 4 == 0) {
        for (int i = int(threadIdx.x); i < Tiles<D>::kKeys * D / 4; i += kThreads) {
            const int r = i / (D / 4), c = i % (D / 4) * 4;
            const float4 none = {0.0f, 0.0f, 0.0f, 0.0f};
            *reinterpret_cast<float4*>(&tile[r][c]) =
                r < rows && c < d ? *reinterpret_cast<const float4*>(&from[r * stride + c]) : none;
        }
        return;
    }
    for (int i = int(threadIdx.x); i < Tiles<D>::kKeys * D; i += kThreads)
        tile[i / D][i % D] = i / D < rows && i % D < d ? from[i / D * stride + i % D] : 0.0f;
}

/// scores [16, kKeys] of a warp = q k^T.
template<int D>
__device__ void multiplyKeys(const Place& p, const Queries<D>& s, const typename Tiles<D>::Shared& keys,
                             float (&scores)[Tiles<D>::kKeys / 8][4]) {
#pragma unroll
    for (int n = 0; n < Tiles<D>::kKeys / 8; ++n)
#pragma unroll
        for (int c = 0; c < 4; ++c)
            scores[n][c] = 0.0f;
#pragma unroll
    for (int i = 0; i < D / 8; ++i) {
        const SplitA q = splitA(s.q[i][0], s.q[i][1], s.q[i][2], s.q[i][3]);
#pragma unroll
        for (int n = 0; n < Tiles<D>::kKeys / 8; ++n) {
            const float* k = &keys[n * 8 + p.group][i * 8 + p.pair];
            multiplySplit(scores[n], q, k[0], k[4]);
        }
    }
}

/// Scores become weights relative to the largest score so far. `row`: the lane's first query; `all`: every
/// query of the block sees every key of the tile.
template<int D>
__device__ void weigh(const Attention& a, const Place& p, size_t row, size_t key, bool all,
                      float (&scores)[Tiles<D>::kKeys / 8][4], Queries<D>& s) {
    float top[2] = {s.largest[0], s.largest[1]};
#pragma unroll
    for (int n = 0; n < Tiles<D>::kKeys / 8; ++n)
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const size_t k = key + size_t(n * 8 + 2 * p.pair + c % 2), query = row + size_t(c / 2 * 8);
            float& score = scores[n][c];
            score = all || seesKey(a, query, k) ? scoreOf(a, p.head, k, score) : -INFINITY;
            top[c / 2] = fmaxf(top[c / 2], score);
        }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        top[i] = fmaxf(top[i], __shfl_xor_sync(0xffffffffu, top[i], 1));
        top[i] = fmaxf(top[i], __shfl_xor_sync(0xffffffffu, top[i], 2));
        const float shrink = top[i] == -INFINITY ? 1.0f : expf(s.largest[i] - top[i]);
        s.largest[i] = top[i];
        s.sum[i] *= shrink;
#pragma unroll
        for (int n = 0; n < D / 8; ++n) {
            s.values[n][2 * i] *= shrink;
            s.values[n][2 * i + 1] *= shrink;
        }
        const float base = top[i] == -INFINITY ? 0.0f : top[i]; // no key was seen yet: all weights are 0
#pragma unroll
        for (int n = 0; n < Tiles<D>::kKeys / 8; ++n)
#pragma unroll
            for (int c = 2 * i; c < 2 * i + 2; ++c) {
                scores[n][c] = expf(scores[n][c] - base);
                s.sum[i] += scores[n][c];
            }
    }
}

/// Adds weights x values of one tile. Column t of a factor is key 2t, column t + 4 key 2t + 1.
template<int D>
__device__ void addValues(const Place& p, const float (&weights)[Tiles<D>::kKeys / 8][4],
                          const typename Tiles<D>::Shared& values, Queries<D>& s) {
#pragma unroll
    for (int i = 0; i < Tiles<D>::kKeys / 8; ++i) {
        const SplitA w = splitA(weights[i][0], weights[i][2], weights[i][1], weights[i][3]);
#pragma unroll
        for (int n = 0; n < D / 8; ++n) {
            const float* v = &values[i * 8 + 2 * p.pair][n * 8 + p.group];
            multiplySplit(s.values[n], w, v[0], v[Tiles<D>::kPitch]);
        }
    }
}

template<int D>
__device__ void writeOut(const Attention& a, const Place& p, size_t row, const Queries<D>& s) {
    const size_t stride = a.heads * a.headDim;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        float sum = s.sum[i];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        const size_t query = row + size_t(8 * i);
        if (query >= a.window) continue;
        float* out = a.out + (p.first + query) * stride + p.head * a.headDim;
        const float inverse = 1.0f / sum;
#pragma unroll
        for (int n = 0; n < D / 8; ++n)
#pragma unroll
            for (int c = 0; c < 2; ++c) {
                const size_t d = size_t(n * 8 + 2 * p.pair + c);
                if (d < a.headDim) out[d] = s.values[n][2 * i + c] * inverse;
            }
    }
}

/// x: tiles of queries of all windows, those with the most keys first; y: heads.
template<int D>
__global__ void __launch_bounds__(kThreads, D <= 64 ? 3 : 2) attentionMmaKernel(Attention a) {
    constexpr int kKeys = Tiles<D>::kKeys;
    __shared__ __align__(16) typename Tiles<D>::Shared keys, values;
    static_assert(2 * sizeof(keys) <= 48 * 1024, "shared memory");
    const size_t tiles = (a.window + kQueries - 1) / kQueries;
    const int lane = int(threadIdx.x) % 32;
    Place p;
    p.first = blockIdx.x / tiles * a.window;
    p.query = (tiles - 1 - blockIdx.x % tiles) * kQueries;
    p.head = blockIdx.y;
    p.kvHead = p.head / (a.heads / a.kvHeads);
    p.group = lane / 4;
    p.pair = lane % 4;
    const size_t warpQuery = p.query + threadIdx.x / 32 * kRows, row = warpQuery + size_t(p.group);

    Queries<D> s;
    loadQueries<D>(a, p, row, s);
    const SeenKeys block = keysSeen(a, p.query, kQueries), warp = keysSeen(a, warpQuery, kRows);
    for (size_t key = block.begin / kKeys * kKeys; key < block.end; key += kKeys) {
        __syncthreads(); // the last tiles have been read
        loadTile<D>(a, p, a.k, key, keys);
        loadTile<D>(a, p, a.v, key, values);
        __syncthreads();
        if (key >= warp.end || key + kKeys <= warp.begin) continue;
        const bool all = key + kKeys <= a.window && !(a.causal && key + kKeys > warpQuery + 1) &&
                         !(a.reach > 0 && key + a.reach < warpQuery + kRows);
        float scores[kKeys / 8][4];
        multiplyKeys<D>(p, s, keys, scores);
        weigh<D>(a, p, row, key, all, scores, s);
        addValues<D>(p, scores, values, s);
    }
    writeOut<D>(a, p, row, s);
}

} // namespace

cudaError_t attentionMma(const Attention& a, cudaStream_t stream) {
    const dim3 blocks(unsigned(a.windows * divideUp(a.window, kQueries)), unsigned(a.heads));
    if (a.headDim <= 64) return launch(attentionMmaKernel<64>, blocks, kThreads, stream, a);
    if (a.headDim <= 96) return launch(attentionMmaKernel<96>, blocks, kThreads, stream, a);
    return launch(attentionMmaKernel<128>, blocks, kThreads, stream, a);
}

} // namespace qs::cuda
