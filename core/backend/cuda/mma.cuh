// SPDX-License-Identifier: Apache-2.0
// Products of float32 values on tensor cores (compute capability 8.0 and newer). Those multiply values of 11
// significant bits (tf32) exactly and sum in float32; a float32 is split into two such values, and three
// products keep nearly all of its digits (Ootomo and Yokota 2022, arXiv:2203.03341).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace qs::cuda {

/// x = high + low but for the last bits of `low`, as the tensor cores read it.
struct SplitFloat {
    uint32_t high, low;
};
__device__ inline SplitFloat split(float x) {
    const uint32_t high = (__float_as_uint(x) + 0x1000u) & 0xffffe000u;
    return {high, __float_as_uint(x - __uint_as_float(high))};
}

/// Of a warp: c [16, 8] += a [16, 8] b [8, 8]. Lane 4 g + t holds a(g, t), a(g + 8, t), a(g, t + 4),
/// a(g + 8, t + 4); b(t, g), b(t + 4, g); c(g, 2t), c(g, 2t + 1), c(g + 8, 2t), c(g + 8, 2t + 1). See PTX,
/// mma.m16n8k8. Nothing on older devices.
__device__ inline void multiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifndef __CUDACC__
    qs::emulation::multiplyTf32(c, a, b);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                 "{%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// The same of float32 values.
struct SplitA {
    uint32_t high[4], low[4];
};
__device__ inline SplitA splitA(float a0, float a1, float a2, float a3) {
    const SplitFloat s[4] = {split(a0), split(a1), split(a2), split(a3)};
    return {{s[0].high, s[1].high, s[2].high, s[3].high}, {s[0].low, s[1].low, s[2].low, s[3].low}};
}
__device__ inline void multiplySplit(float (&c)[4], const SplitA& a, float b0, float b1) {
    const SplitFloat s0 = split(b0), s1 = split(b1);
    const uint32_t high[2] = {s0.high, s1.high}, low[2] = {s0.low, s1.low};
    multiplyTf32(c, a.low, high); // the small ones first
    multiplyTf32(c, a.high, low);
    multiplyTf32(c, a.high, high);
}

} // namespace qs::cuda
