// SPDX-License-Identifier: Apache-2.0
// Kernels of the CUDA backend, as functions that enqueue them. Plain data and C++17: nvcc compiles the other
// side. Matrices are row-major in device memory; shapes are checked by the caller. Where there is nothing to
// do, nothing is enqueued.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cuda_runtime_api.h>

namespace qs::cuda {

/// As qs::Activation, in its order.
enum class Function { Silu, GeluErf, GeluTanh, QuickGelu, Relu };

/// x = f(x) over n values.
cudaError_t activate(Function f, float* x, size_t n, cudaStream_t stream);
/// gate = f(gate) * up over n values.
cudaError_t activateMultiply(Function f, float* gate, const float* up, size_t n, cudaStream_t stream);
/// x = cap * tanh(x / cap) over n values.
cudaError_t softCap(float* x, float cap, size_t n, cudaStream_t stream);
/// x += y over n values.
cudaError_t add(float* x, const float* y, size_t n, cudaStream_t stream);
/// x [rows, cols] += bias [cols] in every row.
cudaError_t addBias(float* x, const float* bias, size_t rows, size_t cols, cudaStream_t stream);
/// Rotates pairs (i, i + half) of every head of headDim values; cosine, sine [positions, half], row r has
/// position r % window.
cudaError_t rope(float* x, size_t rows, size_t cols, size_t headDim, const float* cosine, const float* sine,
                 size_t half, size_t window, cudaStream_t stream);
/// y [count, cols] = the given rows of x.
cudaError_t gatherRows(const float* x, const uint32_t* rows, size_t count, size_t cols, float* y,
                       cudaStream_t stream);
/// x[rows[i]] += weights[i] y[i], y [count, cols].
cudaError_t addScaledRows(float* x, const uint32_t* rows, const float* weights, const float* y, size_t count,
                          size_t cols, cudaStream_t stream);
/// y = bits of bfloat16(x) over n values, to nearest, ties to even.
cudaError_t toBf16(const float* x, uint16_t* y, size_t n, cudaStream_t stream);
/// sum = x, or sum += x, over n values.
cudaError_t addToDouble(double* sum, const float* x, size_t n, bool first, cudaStream_t stream);

/// See Backend; gain, bias [gainRows, cols], bias is null for rmsNorm.
cudaError_t rmsNorm(const float* x, const float* gain, size_t rows, size_t cols, size_t gainRows, double eps,
                    float* y, cudaStream_t stream);
cudaError_t layerNorm(const float* x, const float* gain, const float* bias, size_t rows, size_t cols,
                      size_t gainRows, double eps, float* y, cudaStream_t stream);

/// See qs::AttentionShape; reach 0: all, keyBias [heads, window] or null.
struct Attention {
    const float *q, *k, *v;
    float* out;
    const float* keyBias;
    size_t windows, window, heads, kvHeads, headDim, reach;
    float scale, softCap;
    bool causal;
};
cudaError_t attention(const Attention& a, cudaStream_t stream);

/// Types of stored values: Rounded is float32 that is rounded to bfloat16 when it is read.
enum class Stored { F32, Rounded, Bf16, F64 };

/// c [m, n] = alpha op(a) op(b) + beta c. beta 0: c is not read. Sums are float32, or float64 where a is.
struct Product {
    bool transposeA = false, transposeB = false;
    size_t m = 0, n = 0, k = 0;
    double alpha = 1, beta = 0;
    const void *a = nullptr, *b = nullptr;
    size_t strideA = 0, strideB = 0, strideC = 0;
    Stored typeA = Stored::F32, typeB = Stored::F32;
    void* c = nullptr;
};
/// For the types and transpositions the backend uses; cudaErrorNotSupported for others.
cudaError_t product(const Product& p, cudaStream_t stream);

/// Rows and columns of h [n, n] in reverse order, in place.
cudaError_t reverse(double* h, size_t n, cudaStream_t stream);
/// Edge of the blocks of choleskyBlock.
constexpr size_t kCholeskyBlock = 64;
/// Lower Cholesky factor of the diagonal block of h [n, n] at `first` (of kCholeskyBlock rows or what is
/// left), in place, then the rows below it times the inverse of its transpose. *failed (device) becomes the
/// 1-based pivot that is not above 0 unless it is set already.
cudaError_t choleskyBlock(double* h, size_t n, size_t first, int* failed, cudaStream_t stream);
/// 0 above the diagonal of h [n, n].
cudaError_t clearUpper(double* h, size_t n, cudaStream_t stream);

constexpr size_t kGptqColumns = 128;
/// See qs::ColumnBlock; n <= kGptqColumns, all [n, rows] without gaps but for the factor [n, n].
struct GptqBlock {
    float *weight, *error, *dequantized;
    const float *factor, *scale, *zero;
    uint8_t* codes;
    size_t n, rows, factorStride;
    int maxCode;
};
cudaError_t gptqColumnBlock(const GptqBlock& b, cudaStream_t stream);

} // namespace qs::cuda
