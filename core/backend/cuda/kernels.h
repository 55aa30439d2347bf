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
/// The same of x [rows, cols], onto rows of sum that are `stride` apart.
cudaError_t addRowsToDouble(double* sum, size_t stride, const float* x, size_t rows, size_t cols,
                            cudaStream_t stream);
/// *sum (device) += sum_ij weights_ij x_ij over the part of [rows, cols] right of the diagonal, twice, and on
/// it, once; x and weights [rows, cols] begin on the diagonal. Added in an order that differs from call to
/// call.
cudaError_t addWeighed(double* sum, const double* weights, const float* x, size_t rows, size_t cols,
                       cudaStream_t stream);
/// The lower triangle of s [n, n] becomes the upper one's mirror image.
cudaError_t mirrorUpper(double* s, size_t n, cudaStream_t stream);

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
    bool tensorCores; ///< the device has those that multiply tf32
};
cudaError_t attention(const Attention& a, cudaStream_t stream);
/// The same on tensor cores, for heads of at most kMmaHeadDim values.
constexpr size_t kMmaHeadDim = 128;
cudaError_t attentionMma(const Attention& a, cudaStream_t stream);

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
/// y = float(x) over n values.
cudaError_t toFloat(const double* x, float* y, size_t n, cudaStream_t stream);
/// block [count, count] = that of h [n, n] at `first` on the diagonal.
cudaError_t copyBlock(const double* h, size_t n, size_t first, size_t count, double* block,
                      cudaStream_t stream);

constexpr size_t kGptqColumns = 128;
/// See qs::ColumnBlock; n <= kGptqColumns, all [n, rows] without gaps but for the factor [n, n], and scale
/// and zero, whose columns begin `parameterStride` apart: rows, or 0 where one column stands for all.
struct GptqBlock {
    float *weight, *error, *change;
    const float *original, *factor, *scale, *zero;
    uint8_t* codes;
    size_t n, rows, factorStride, parameterStride;
    int maxCode;
};
cudaError_t gptqColumnBlock(const GptqBlock& b, cudaStream_t stream);

/// out [count, rows] = columns of x [rows, ..], whose rows are `stride` apart; 0 for UINT32_MAX.
cudaError_t gatherColumns(const float* x, size_t stride, size_t rows, const uint32_t* columns, size_t count,
                          float* out, cudaStream_t stream);
/// low, high [cols] of x [rows, cols]; finite, rows > 0.
cudaError_t columnRanges(const float* x, size_t rows, size_t cols, float* low, float* high,
                         cudaStream_t stream);
/// low, high [rows, groups] of every groupSize columns of x [rows, cols].
cudaError_t groupRanges(const float* x, size_t rows, size_t cols, size_t groupSize, float* low, float* high,
                        cudaStream_t stream);
/// to [cols, rows] = from [rows, cols] turned.
cudaError_t transposeCodes(const uint8_t* from, size_t rows, size_t cols, uint8_t* to, cudaStream_t stream);

/// *found (device) becomes 1 when one of n values is NaN or infinite, and stays as it is otherwise.
cudaError_t findNotFinite(const float* x, size_t n, int* found, cudaStream_t stream);

/// See qs::CodeGrid; levels [maxCode + 1] null: the uniform grid.
struct Grid {
    const float *levels, *bounds;
    unsigned maxCode, boundCount, zeroCode;
};
/// See qs::CodeGroups; zero null: all 0, groupOfColumn null: column / groupSize.
struct Groups {
    const float *scale, *zero;
    const int32_t* groupOfColumn;
    size_t scaleRows, groups, groupSize, blockRows;
};
/// x, codes, values [rows, cols]; values may be x, or null.
cudaError_t roundToGrid(const float* x, size_t rows, size_t cols, const Grid& grid, const Groups& groups,
                        uint8_t* codes, float* values, cudaStream_t stream);
cudaError_t decodeCodes(const uint8_t* codes, size_t rows, size_t cols, const Grid& grid,
                        const Groups& groups, float* values, cudaStream_t stream);

/// See qs::ColumnSums.
struct ColumnSum {
    double powers[4];
    unsigned long long notFinite;
    float min, max;
};
/// sums [divideUp(rows, chunk), cols] of `chunk` rows each; the first row of them ends as the sum of all.
cudaError_t columnSums(const float* x, size_t rows, size_t cols, const float* shift, size_t chunk,
                       ColumnSum* sums, cudaStream_t stream);
/// total [cols] += the sums of x, `sums` being room for divideUp(rows, chunk) rows of them. A total begins
/// with zeros, min infinite and max -infinite.
cudaError_t tallyColumns(const float* x, size_t rows, size_t cols, const float* shift, size_t chunk,
                         ColumnSum* sums, ColumnSum* total, cudaStream_t stream);
/// counts [cols, kMagnitudeBins] += those of the finite values of each column.
cudaError_t countMagnitudes(const float* x, size_t rows, size_t cols, unsigned* counts, cudaStream_t stream);
/// absmax [rows] of the finite values.
cudaError_t rowAbsmax(const float* x, size_t rows, size_t cols, float* absmax, cudaStream_t stream);
/// counts [bins + 3] += those of n values; the last three are below, above, not finite. Bins as equalBins().
cudaError_t countValues(const float* x, size_t n, double lo, double hi, size_t bins,
                        unsigned long long* counts, cudaStream_t stream);

/// See qs::LogitScores; 0 where there is no reference.
struct Score {
    float nll, referenceNll, kl;
    int32_t top, referenceTop;
};
/// logits, reference (or null) [.., vocabulary]; rows, targets, out [count].
struct Scores {
    const float *logits, *reference;
    size_t vocabulary, count;
    const uint32_t *rows, *targets;
    Score* out;
};
cudaError_t scoreLogits(const Scores& s, cudaStream_t stream);

/// Longest points of assignToCenters.
constexpr size_t kMostKMeansColumns = 4096;
/// points [n, p], weights [n] or null, centers [k, p]; nearest, losses [n].
cudaError_t assignToCenters(const float* points, const float* weights, size_t n, size_t p,
                            const float* centers, size_t k, uint32_t* nearest, float* losses,
                            cudaStream_t stream);
/// sums [k, p + 1].
cudaError_t sumsByCenter(const float* points, const float* weights, const uint32_t* nearest, size_t n,
                         size_t p, size_t k, double* sums, cudaStream_t stream);

/// Rows of x [rows, cols] times signs [cols] each; in front of the butterflies, or `after` them: sums and
/// differences of values that lie cols / power apart, 2 cols / power, and so on. power is one of two.
cudaError_t hadamardRows(float* x, size_t rows, size_t cols, size_t power, const float* signs, bool after,
                         cudaStream_t stream);
/// y = q times every `order` values of x, or q^T times them; n values, q [order, order].
cudaError_t multiplyBlocks(const float* x, size_t n, const double* q, size_t order, bool transposed, float* y,
                           cudaStream_t stream);

} // namespace qs::cuda
