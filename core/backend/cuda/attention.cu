// SPDX-License-Identifier: Apache-2.0
// Attention with online softmax (Milakov and Gimelshein 2018; Rabe and Staats 2021): a block of 16 x 16
// threads owns kTile queries of one head and goes over the keys in tiles. Per query it keeps the largest
// score m so far, l = sum exp(score - m) and the weighted sum of values; when m grows, both are scaled by
// exp(m_old - m). No matrix of scores exists outside shared memory.
#include "core/backend/cuda/attention.cuh"
#include "core/backend/cuda/launch.cuh"

namespace qs::cuda {

namespace {

constexpr int kSide = 16, kThreads = kSide * kSide, kDepth = 16, kTile = 64, kEach = kTile / kSide;
constexpr int kPitch = kTile + 4; ///< the extra words spread banks

/// Where a block works: `first` is the window's first row.
struct Place {
    size_t first, query, head, kvHead, column;
};

/// shared [kDepth, kTile] = m[firstRow + line, column + depth] of a matrix with `stride`, 0 outside.
__device__ void loadSlice(const float* m, size_t stride, size_t rows, size_t columns,
                          float (*shared)[kPitch]) {
    for (int at = int(threadIdx.x); at < kTile * kDepth; at += kThreads) {
        const int line = at / kDepth, depth = at % kDepth;
        shared[depth][line] =
            size_t(line) < rows && size_t(depth) < columns ? m[line * stride + depth] : 0.0f;
    }
}

/// scores = q k^T of a tile of queries and one of keys, over the whole head.
__device__ void multiplyKeys(const Attention& a, const Place& p, size_t key, float (*queries)[kPitch],
                             float (*keys)[kPitch], float (&scores)[kEach][kEach]) {
    const int row = int(threadIdx.x) / kSide * kEach, column = int(threadIdx.x) % kSide * kEach;
    const size_t strideQ = a.heads * a.headDim, strideK = a.kvHeads * a.headDim;
    const float* q = a.q + (p.first + p.query) * strideQ + p.head * a.headDim;
    const float* k = a.k + (p.first + key) * strideK + p.kvHead * a.headDim;
#pragma unroll
    for (int i = 0; i < kEach; ++i)
#pragma unroll
        for (int j = 0; j < kEach; ++j)
            scores[i][j] = 0.0f;
    for (size_t d = 0; d < a.headDim; d += kDepth) {
        __syncthreads(); // the last slices have been read
        loadSlice(q + d, strideQ, a.window - p.query, a.headDim - d, queries);
        loadSlice(k + d, strideK, a.window - key, a.headDim - d, keys);
        __syncthreads();
#pragma unroll
        for (int c = 0; c < kDepth; ++c) {
            const float4 x = *reinterpret_cast<const float4*>(&queries[c][row]),
                         y = *reinterpret_cast<const float4*>(&keys[c][column]);
            const float left[kEach] = {x.x, x.y, x.z, x.w}, right[kEach] = {y.x, y.y, y.z, y.w};
#pragma unroll
            for (int i = 0; i < kEach; ++i)
#pragma unroll
                for (int j = 0; j < kEach; ++j)
                    scores[i][j] = fmaf(left[i], right[j], scores[i][j]);
        }
    }
}

/// Over the kSide threads that share a query. They are half a warp.
__device__ float largestOfRow(float x) {
    for (int step = kSide / 2; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}
__device__ float sumOfRow(float x) {
    for (int step = kSide / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/// What a thread knows of its kEach queries; Groups x 4 columns of the output each.
template<int Groups>
struct State {
    float largest[kEach], sum[kEach], values[kEach][Groups * 4];
};

/// Scores become weights in shared memory, [key, query], relative to the largest score so far.
template<int Groups>
__device__ void weigh(const Attention& a, const Place& p, size_t key, float (&scores)[kEach][kEach],
                      State<Groups>& s, float (*weights)[kPitch]) {
    const int row = int(threadIdx.x) / kSide * kEach, column = int(threadIdx.x) % kSide * kEach;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
        float top = s.largest[i];
#pragma unroll
        for (int j = 0; j < kEach; ++j) {
            const size_t query = p.query + row + i, k = key + column + j;
            scores[i][j] = seesKey(a, query, k) ? scoreOf(a, p.head, k, scores[i][j]) : -INFINITY;
            top = fmaxf(top, scores[i][j]);
        }
        top = largestOfRow(top);
        const bool none = top == -INFINITY; // no key was seen yet
        const float shrink = none ? 1.0f : expf(s.largest[i] - top);
        float sum = 0;
#pragma unroll
        for (int j = 0; j < kEach; ++j) {
            const float w = none ? 0.0f : expf(scores[i][j] - top);
            weights[column + j][row + i] = w;
            sum += w;
        }
        s.sum[i] = fmaf(s.sum[i], shrink, sumOfRow(sum));
        s.largest[i] = top;
#pragma unroll
        for (int c = 0; c < Groups * 4; ++c)
            s.values[i][c] *= shrink;
    }
}

/// Adds weights x values of one tile of keys.
template<int Groups>
__device__ void addValues(const Attention& a, const Place& p, size_t key, float (*weights)[kPitch],
                          float (*shared)[Groups * kTile + 4], State<Groups>& s) {
    constexpr int kColumns = Groups * kTile;
    const int row = int(threadIdx.x) / kSide * kEach, column = int(threadIdx.x) % kSide * 4;
    const size_t stride = a.kvHeads * a.headDim;
    const float* v = a.v + p.first * stride + p.kvHead * a.headDim + p.column;
    for (int first = 0; first < kTile; first += kDepth) {
        __syncthreads(); // weights are complete; the last slice has been read
        for (int at = int(threadIdx.x); at < kColumns * kDepth; at += kThreads) {
            const int c = at % kColumns, d = at / kColumns;
            const size_t r = key + first + d;
            shared[d][c] = r < a.window && p.column + c < a.headDim ? v[r * stride + c] : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int d = 0; d < kDepth; ++d) {
            const float4 w = *reinterpret_cast<const float4*>(&weights[first + d][row]);
            const float weight[kEach] = {w.x, w.y, w.z, w.w};
#pragma unroll
            for (int g = 0; g < Groups; ++g) {
                const float4 x = *reinterpret_cast<const float4*>(&shared[d][g * kTile + column]);
#pragma unroll
                for (int i = 0; i < kEach; ++i) {
                    float* to = &s.values[i][g * 4];
                    to[0] = fmaf(weight[i], x.x, to[0]);
                    to[1] = fmaf(weight[i], x.y, to[1]);
                    to[2] = fmaf(weight[i], x.z, to[2]);
                    to[3] = fmaf(weight[i], x.w, to[3]);
                }
            }
        }
    }
}

template<int Groups>
__device__ void writeOut(const Attention& a, const Place& p, const State<Groups>& s) {
    const int row = int(threadIdx.x) / kSide * kEach, column = int(threadIdx.x) % kSide * 4;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
        if (p.query + row + i >= a.window) continue;
        float* out = a.out + (p.first + p.query + row + i) * a.heads * a.headDim + p.head * a.headDim;
        const float inverse = 1.0f / s.sum[i];
#pragma unroll
        for (int c = 0; c < Groups * 4; ++c) {
            const size_t at = p.column + size_t(c) / 4 * kTile + column + c % 4;
            if (at < a.headDim) out[at] = s.values[i][c] * inverse;
        }
    }
}

/// x: tiles of queries of all windows; y: heads times runs of Groups * kTile output columns, which share no
/// work (heads of more than 128 values compute their scores once per run).
template<int Groups>
__global__ void __launch_bounds__(kThreads, 2) attentionKernel(Attention a, unsigned runs) {
    __shared__ __align__(16) float queries[kDepth][kPitch], keys[kDepth][kPitch];
    __shared__ __align__(16) float weights[kTile][kPitch], values[kDepth][Groups * kTile + 4];
    static_assert(sizeof(float) * (2 * kDepth * kPitch + kTile * kPitch + kDepth * (Groups * kTile + 4)) <=
                      48 * 1024,
                  "shared memory");
    const size_t tiles = (a.window + kTile - 1) / kTile;
    Place p;
    p.first = blockIdx.x / tiles * a.window;
    p.query = blockIdx.x % tiles * kTile;
    p.head = blockIdx.y / runs;
    p.kvHead = p.head / (a.heads / a.kvHeads);
    p.column = size_t(blockIdx.y % runs) * Groups * kTile;

    State<Groups> s;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
        s.largest[i] = -INFINITY;
        s.sum[i] = 0.0f;
#pragma unroll
        for (int c = 0; c < Groups * 4; ++c)
            s.values[i][c] = 0.0f;
    }
    const SeenKeys seen = keysSeen(a, p.query, kTile);
    for (size_t key = seen.begin / kTile * kTile; key < seen.end; key += kTile) {
        float scores[kEach][kEach];
        multiplyKeys(a, p, key, queries, keys, scores);
        weigh<Groups>(a, p, key, scores, s, weights);
        addValues<Groups>(a, p, key, weights, values, s);
    }
    writeOut<Groups>(a, p, s);
}

} // namespace

cudaError_t attention(const Attention& a, cudaStream_t stream) {
    if (a.tensorCores && a.headDim <= kMmaHeadDim) return attentionMma(a, stream);
    const size_t tiles = a.windows * divideUp(a.window, kTile);
    if (a.headDim <= kTile)
        return launch(attentionKernel<1>, dim3(unsigned(tiles), unsigned(a.heads)), kThreads, stream, a, 1u);
    const unsigned runs = unsigned(divideUp(a.headDim, 2 * kTile));
    return launch(attentionKernel<2>, dim3(unsigned(tiles), unsigned(a.heads) * runs), kThreads, stream, a,
                  runs);
}

} // namespace qs::cuda
