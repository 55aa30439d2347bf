// SPDX-License-Identifier: Apache-2.0
// What both attention kernels do with a score.
#pragma once

#include "core/backend/cuda/kernels.h"

#include <cuda_runtime.h>

namespace qs::cuda {

__device__ inline bool seesKey(const Attention& a, size_t query, size_t key) {
    return key < a.window && !(a.causal && key > query) && !(a.reach > 0 && key + a.reach <= query);
}

/// Scale, cap and bias of q k^T.
__device__ inline float scoreOf(const Attention& a, size_t head, size_t key, float product) {
    float score = product * a.scale;
    if (a.softCap > 0) score = a.softCap * tanhf(score / a.softCap);
    return a.keyBias ? score + a.keyBias[head * a.window + key] : score;
}

/// The keys [begin, end) that one of the queries [query, query + count) may see.
struct SeenKeys {
    size_t begin, end;
};
__device__ inline SeenKeys keysSeen(const Attention& a, size_t query, size_t count) {
    const size_t begin = a.reach > 0 && query + 1 > a.reach ? query + 1 - a.reach : 0;
    const size_t end = a.causal ? query + count : a.window;
    return {begin, end < a.window ? end : a.window};
}

} // namespace qs::cuda
