// SPDX-License-Identifier: Apache-2.0
// Backend: device memory and the operations that the forward pass and the solvers are written in. CPU:
// OpenBLAS and SIMD kernels. All tensors are float32, row-major, contiguous. Not thread-safe: one backend
// object belongs to one thread at a time.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qs {

/// Device memory; what it is, only its backend knows.
class DeviceBuffer {
public:
    virtual ~DeviceBuffer() = default;
};

/// A [rows, cols] float32 tensor in the memory of one backend. Copies share the memory.
struct Tensor {
    std::shared_ptr<DeviceBuffer> buffer;
    size_t rows = 0, cols = 0;
};

/// A [rows, cols] tensor of codes, one byte each, in the memory of one backend. Copies share the memory.
struct CodeTensor {
    std::shared_ptr<DeviceBuffer> buffer;
    size_t rows = 0, cols = 0;
};

/// A rectangle of a tensor: rows of `cols` values that begin `stride` values apart, the first at `offset`.
struct TensorBlock {
    std::shared_ptr<DeviceBuffer> buffer;
    size_t offset = 0, rows = 0, cols = 0, stride = 0;

    TensorBlock() = default;
    TensorBlock(const Tensor& t) : buffer(t.buffer), rows(t.rows), cols(t.cols), stride(t.cols) {}
    TensorBlock block(size_t firstRow, size_t rowCount, size_t firstCol, size_t colCount) const {
        TensorBlock b = *this;
        b.offset += firstRow * stride + firstCol;
        b.rows = rowCount;
        b.cols = colCount;
        return b;
    }
    TensorBlock rowsOf(size_t first, size_t count) const { return block(first, count, 0, cols); }
    bool hasGaps() const { return rows > 1 && stride != cols; }
};

/// Rotary tables [positions, d / 2] (cosine, sine) for heads whose first d values are rotated.
struct RopeTable {
    Tensor cosine, sine;
};

/// silu(x) = x / (1 + exp(-x)); GeluErf(x) = x Phi(x), Phi the normal distribution; GeluTanh(x) =
/// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); QuickGelu(x) = x / (1 + exp(-1.702 x)); Relu(x) =
/// max(x, 0).
enum class Activation { Silu, GeluErf, GeluTanh, QuickGelu, Relu };

/// What attention does inside each context of `windowLength` rows. Query i sees key j when j <= i (causal)
/// and i - j < reach (reach > 0). score(i, j) = s q_i k_j, capped to c tanh(score / c) when c = softCap > 0,
/// plus keyBias(head, j); then softmax over the keys seen.
struct AttentionShape {
    size_t heads = 0,
           kvHeads = 0; ///< heads a multiple of kvHeads: head h uses key-value head h kvHeads / heads
    size_t windowLength = 0;
    float scale = 0; ///< s, usually 1 / sqrt(head dimension)
    float softCap = 0;
    size_t reach = 0; ///< sliding window in tokens, including the query's own; 0: all
    bool causal = true;
    Tensor keyBias; ///< [heads, windowLength]; none without a buffer
};

/// One block of columns of the GPTQ recursion on an affine integer grid; see quant/rounding/gptq_solver.h for
/// the formula. All matrices are transposed to [columns, rows], so that one column is contiguous; those of
/// weights have no gaps between columns.
struct ColumnBlock {
    TensorBlock weight;      ///< in: [n, rows] current weights of the block's columns; destroyed
    TensorBlock original;    ///< [n, rows] W
    TensorBlock error;       ///< out: [n, rows] (w - w') / U_jj, for the update of later columns
    TensorBlock change;      ///< out: [n, rows] W - W'
    TensorBlock factor;      ///< [n, n] upper triangle of U for the block
    TensorBlock scale, zero; ///< [n, rows], of each column; stride 0 where one row stands for all
    CodeTensor codes;        ///< out: the codes of column i are its row firstCode + i, of `rows` codes
    size_t firstCode = 0;
    int maxCode = 0; ///< 2^bits - 1
};

/// What the factors of the large products (linears, Sigma) are rounded to; their sums are float32, and all
/// else is as before. BF16: to nearest, ties to even.
enum class Precision { F32, BF16 };
const char* precisionName(Precision p); ///< "f32", "bf16"
/// InvalidArgument naming the known ones.
Result<Precision> precisionFromName(const std::string& name);

struct CodeGrid; // codes.h
struct CodeGroups;
struct ColumnSums; // sums.h
struct ValueCounts;
struct KMeansStep;
struct LogitScores;
struct TallySums;

/// A sum of x^T x in the memory of its backend, which outlives it.
class SecondMoment {
public:
    virtual ~SecondMoment() = default;
    virtual Result<void> add(const Tensor& x) = 0;
    /// The whole symmetric matrix; nothing is added after it.
    virtual Result<MatrixD> take() = 0;
};

/// Statistics of the columns of many tensors, in the memory of its backend, which outlives it.
class ColumnTally {
public:
    virtual ~ColumnTally() = default;
    virtual Result<void> add(const Tensor& x) = 0;
    /// Nothing is added after it.
    virtual Result<TallySums> take() = 0;
};

/// R, upper triangular with H = R R^T, in the memory of its backend, which outlives it.
class UpperFactor {
public:
    virtual ~UpperFactor() = default;
    /// [n, n] in float32; 0 below the diagonal.
    virtual Result<Tensor> values() = 0;
    /// R_JJ of the columns [first, first + count), in float64.
    virtual Result<MatrixD> block(size_t first, size_t count) = 0;
};

/// In the place of a column in Backend::gatherColumns.
constexpr uint32_t kNoColumn = UINT32_MAX;

struct MemoryState {
    size_t freeBytes = 0, totalBytes = 0;
};

class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string id() const = 0;          ///< "cpu", "cuda:0"
    virtual std::string description() const = 0; ///< "CPU, 2 threads, OpenBLAS (Zen)"
    virtual Precision precision() const { return Precision::F32; }
    /// Whether tensors lie in main memory and the processor computes: nothing is gained by keeping them, or
    /// by doing something else meanwhile.
    virtual bool inMainMemory() const { return false; }
    /// What whoever waits for the result should know, each text once: that memory ran short and the work was
    /// cut into smaller pieces.
    virtual std::vector<std::string> takeNotes() { return {}; }

    /// Of a device with memory of its own; whoever else uses it counts too.
    virtual std::optional<MemoryState> memory() { return std::nullopt; }

    virtual Result<Tensor> allocate(size_t rows, size_t cols) = 0; ///< zeroed
    virtual Result<void> upload(ConstMatrixView from, Tensor& to) = 0;
    /// For a tensor that is read as w of linear() alone: kept in precision(), where that is smaller.
    virtual Result<void> uploadWeight(ConstMatrixView from, Tensor& to) { return upload(from, to); }
    /// No gaps in `from`.
    virtual Result<void> download(const TensorBlock& from, MatrixView to) = 0;
    /// Over what is there; no gaps in `to`. Nothing is done when `from` is that very memory (hostStorage).
    virtual Result<void> write(ConstMatrixView from, const TensorBlock& to) = 0;
    /// `from` as a tensor that is only read, while `from` is there and does not change. No copy where tensors
    /// are in host memory.
    virtual Result<TensorBlock> borrow(ConstMatrixView from) = 0;
    /// No gaps in either; nothing is done when both are the same memory.
    virtual Result<void> copy(const TensorBlock& from, const TensorBlock& to) = 0;
    /// Its values: where they are when that is host memory, else downloaded into `storage`. Until either
    /// changes.
    virtual Result<ConstMatrixView> hostView(const TensorBlock& x, Matrix& storage) {
        QS_TRY(const MatrixView to, Backend::hostStorage(x, storage));
        QS_CHECK(download(x, to));
        return ConstMatrixView(to);
    }
    /// Where new values for `x` can be put together before write(): there itself when that is host memory,
    /// else `storage`, whose values are left over from something else.
    virtual Result<MatrixView> hostStorage(const TensorBlock& x, Matrix& storage) {
        if (storage.rows() != x.rows || storage.cols() != x.cols) storage = Matrix(x.rows, x.cols);
        return storage.view();
    }

    /// y [T, N] = x [T, K] w^T, w [N, K]; with bias [1, N] when not null. In precision() when w is from
    /// uploadWeight, else in float32.
    virtual Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y) = 0;
    /// y = x / sqrt(mean(x^2) + eps) * gain per row; gain [g, cols], row r takes gain row r % g. y may be x.
    virtual Result<void> rmsNorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y) = 0;
    /// y = (x - mean(x)) / sqrt(variance(x) + eps) * gain + bias per row, the variance over n; gain, bias
    /// [g, cols], row r takes their row r % g. y may be x.
    virtual Result<void> layerNorm(const Tensor& x, const Tensor& gain, const Tensor& bias, double eps,
                                   Tensor& y) = 0;
    /// Rotates pairs (i, i + d/2), d = 2 table.cosine.cols <= headDim, of every head in place; values d and
    /// later stay. Row r has position r % windowLength.
    virtual Result<void> rope(Tensor& x, size_t headDim, const RopeTable& table, size_t windowLength) = 0;
    /// q [T, heads*d], k, v [T, kvHeads*d], out [T, heads*d]; see AttentionShape.
    virtual Result<void> attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                   const AttentionShape& shape, Tensor& out) = 0;
    /// x = f(x).
    virtual Result<void> activate(Activation f, Tensor& x) = 0;
    /// gate = f(gate) * up.
    virtual Result<void> activateMultiply(Activation f, Tensor& gate, const Tensor& up) = 0;
    /// x = cap tanh(x / cap), cap > 0.
    virtual Result<void> softCap(Tensor& x, float cap) = 0;
    /// y [n, cols] = rows of x; each in 0 .. x.rows - 1.
    virtual Result<void> gatherRows(const Tensor& x, std::span<const uint32_t> rows, Tensor& y) = 0;
    /// x[rows[i]] += weights[i] y[i]; the rows differ.
    virtual Result<void> addScaledRows(Tensor& x, std::span<const uint32_t> rows,
                                       std::span<const float> weights, const Tensor& y) = 0;
    /// x += y.
    virtual Result<void> add(Tensor& x, const Tensor& y) = 0;

    /// A sum of x^T x, x [T, channels]. Products in precision(), float32 sums over at most 2048 rows, float64
    /// sums of those.
    virtual Result<std::unique_ptr<SecondMoment>> secondMoment(size_t channels) = 0;
    /// Statistics of columns about shift [channels], which is finite; null where tensors are in host memory,
    /// and the statistics are taken there.
    virtual Result<std::unique_ptr<ColumnTally>> columnTally(std::span<const float> shift) {
        (void)shift;
        return std::unique_ptr<ColumnTally>();
    }
    /// Of rows of logits [n, vocabulary], against the same rows of `reference` unless that is null.
    /// Exponential sums in float64. targets [rows]: a token for each.
    virtual Result<LogitScores> scoreLogits(const Tensor& logits, std::span<const uint32_t> rows,
                                            std::span<const uint32_t> targets, const Tensor* reference) = 0;

    /// tr(A Sigma A^T) of A [m, n] and a symmetric Sigma [n, n] (both host): products as of secondMoment() in
    /// float32. m n^2 flops.
    virtual Result<double> quadraticForm(ConstMatrixView a, const MatrixD& sigma);

    /// Of H [n, n] with H_ij = sigma(order_i, order_j) beside the diagonal and H_ii = diagonal_i on it, from
    /// a symmetric Sigma; `order` holds each of 0 .. n - 1 once. Error::Backend when H is not positive
    /// definite. n^3 / 3 flops in float64.
    virtual Result<std::unique_ptr<UpperFactor>>
    upperFactor(const MatrixD& sigma, std::span<const uint32_t> order, std::span<const double> diagonal) = 0;
    /// out(i, r) = x(r, columns[i]), 0 where columns[i] is kNoColumn; out [columns, x.rows] without gaps.
    virtual Result<void> gatherColumns(const TensorBlock& x, std::span<const uint32_t> columns,
                                       const TensorBlock& out) = 0;
    /// The smallest and the largest value of each column of x, without gaps, x.rows > 0, into low and high
    /// [x.cols] of the host. Finite values.
    virtual Result<void> columnRanges(const TensorBlock& x, std::span<float> low, std::span<float> high) = 0;
    /// The same of every `groupSize` columns of each row of x, the last ones may be fewer: low, high [x.rows,
    /// groups] of the host.
    virtual Result<void> groupRanges(const Tensor& x, size_t groupSize, MatrixView low, MatrixView high) = 0;
    /// c [m, n] += alpha a^T b, a [k, m], b [k, n].
    virtual Result<void> addProduct(float alpha, const TensorBlock& c, const TensorBlock& a,
                                    const TensorBlock& b) = 0;
    virtual Result<void> gptqColumnBlock(const ColumnBlock& block) = 0;

    /// Not initialized.
    virtual Result<CodeTensor> allocateCodes(size_t rows, size_t cols) = 0;
    virtual Result<void> uploadCodes(MatrixViewT<const uint8_t> from, CodeTensor& to) = 0;
    virtual Result<void> downloadCodes(const CodeTensor& from, MatrixViewT<uint8_t> to) = 0;
    /// to(j, i) = from(i, j) for the rows of `from` that `to` [from.cols, at most from.rows] has columns for.
    virtual Result<void> downloadTransposed(const CodeTensor& from, MatrixViewT<uint8_t> to) = 0;
    /// Nearest codes of x [rows, cols], and their values when `values` [rows, cols] is not null; it may be x.
    /// Error::InvalidArgument when a value is not finite; what was written then is of no use.
    virtual Result<void> roundToGrid(const Tensor& x, const CodeGrid& grid, const CodeGroups& groups,
                                     CodeTensor& codes, Tensor* values) = 0;
    /// values [rows, cols] of codes; codes above grid.maxCode count as that one.
    virtual Result<void> decodeCodes(const CodeTensor& codes, const CodeGrid& grid, const CodeGroups& groups,
                                     Tensor& values) = 0;
    /// Of x [rows, cols], the powers about shift [cols], which is finite.
    virtual Result<ColumnSums> columnSums(const Tensor& x, std::span<const float> shift) = 0;
    /// lo <= hi, finite; bins in 1 .. 2^20.
    virtual Result<ValueCounts> countValues(const Tensor& x, double lo, double hi, size_t bins) = 0;
    /// points [n, p], weights [n, 1] >= 0 (null: all 1), centers [k, p] in host memory, k and p at least 1.
    /// Error::InvalidArgument when a point or a center is not finite. 3 n p k flops.
    virtual Result<KMeansStep> kMeansStep(const Tensor& points, const Tensor* weights,
                                          ConstMatrixView centers) = 0;
    /// Every row of x becomes R times it, or R^T times it when `back`: R = (H (x) Q) S / sqrt(p), see
    /// linalg/block_rotation.h. `signs` [cols] are those of S over the root of p, the largest power of two in
    /// cols; Q [cols / p, cols / p], empty when that is 1.
    virtual Result<void> rotateRows(Tensor& x, std::span<const float> signs, const MatrixD& orthogonal,
                                    bool back) = 0;
};

/// The CPU backend. `threads` 0 = all cores of the machine.
std::unique_ptr<Backend> makeCpuBackend(int threads = 0, Precision precision = Precision::F32);

struct BackendInfo {
    std::string id, description;
    bool available = false;
    std::string reason; ///< why not
};
/// Every backend this build knows, with the reason for the absent ones.
std::vector<BackendInfo> listBackends();
/// "auto" (the first GPU that can be used, else the CPU), "cpu", "cuda:N". Error::Backend with the reason
/// when it cannot be had.
Result<std::unique_ptr<Backend>> makeBackend(const std::string& device, int threads = 0,
                                             Precision precision = Precision::F32);

} // namespace qs
