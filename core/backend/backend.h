// SPDX-License-Identifier: Apache-2.0
// Backend: device memory and the operations that the forward pass and the solvers are written in. CPU:
// OpenBLAS and SIMD kernels. All tensors are float32, row-major, contiguous. Not thread-safe: one backend
// object belongs to one thread at a time.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <memory>
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

/// Rotary tables [positions, headDim / 2] (cosine, sine), shared by every block.
struct RopeTable {
    Tensor cosine, sine;
};

/// One block of columns of the GPTQ recursion on an affine integer grid; see quant/rounding/gptq_solver.h for
/// the formula. All matrices are in host memory and transposed to [columns, rows], so that one column is
/// contiguous.
struct ColumnBlock {
    MatrixView weight;           ///< in: [n, rows] current weights of the block's columns; destroyed
    MatrixView error;            ///< out: [n, rows] (w - w') / U_jj, for the update of later columns
    ConstMatrixView factor;      ///< [n, n] upper triangle of U for the block
    MatrixViewT<uint8_t> codes;  ///< out: [n, rows]
    ConstMatrixView scale, zero; ///< [n, rows], of each column
    int maxCode = 0;             ///< 2^bits - 1
};

class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string id() const = 0;          ///< "cpu", "cuda:0"
    virtual std::string description() const = 0; ///< "CPU, 2 threads, OpenBLAS (Zen)"

    virtual Result<Tensor> allocate(size_t rows, size_t cols) = 0; ///< zeroed
    virtual Result<void> upload(ConstMatrixView from, Tensor& to) = 0;
    virtual Result<void> download(const Tensor& from, MatrixView to) = 0;

    /// y [T, N] = x [T, K] w^T, w [N, K]; with bias [1, N] when not null.
    virtual Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y) = 0;
    /// y = x / sqrt(mean(x^2) + eps) * gain per row; gain [1, cols].
    virtual Result<void> rmsNorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y) = 0;
    /// Rotates pairs (i, i + headDim/2) of every head in place; row r has position r % windowLength.
    virtual Result<void> rope(Tensor& x, size_t headDim, const RopeTable& table, size_t windowLength) = 0;
    /// Causal softmax attention inside windows of `windowLength` rows; q [T, heads*d], k, v [T, kvHeads*d],
    /// out [T, heads*d]; scale 1/sqrt(d).
    virtual Result<void> attention(const Tensor& q, const Tensor& k, const Tensor& v, size_t heads,
                                   size_t kvHeads, size_t windowLength, Tensor& out) = 0;
    /// gate = silu(gate) * up, silu(x) = x / (1 + exp(-x)).
    virtual Result<void> siluMultiply(Tensor& gate, const Tensor& up) = 0;
    /// x += y.
    virtual Result<void> add(Tensor& x, const Tensor& y) = 0;

    /// sigma [K, K] (host, float64) += x^T x, x [T, K]; both triangles. Float32 products over at most 1024
    /// rows, float64 sums.
    virtual Result<void> accumulateSigma(const Tensor& x, MatrixD& sigma) = 0;

    /// U upper triangular with H^-1 = U^T U, for symmetric positive definite H [n, n] (host, float64). H is
    /// destroyed. Error::Backend when H is not positive definite. The strict lower triangle of the result is
    /// 0.
    virtual Result<MatrixD> inverseFactor(MatrixD h) = 0;
    /// c [m, n] -= a^T b, a [k, m], b [k, n] (host, float32).
    virtual Result<void> subtractProduct(MatrixView c, ConstMatrixView a, ConstMatrixView b) = 0;
    virtual Result<void> gptqColumnBlock(const ColumnBlock& block) = 0;
};

/// The CPU backend. `threads` 0 = all cores of the machine.
std::unique_ptr<Backend> makeCpuBackend(int threads = 0);

struct BackendInfo {
    std::string id, description;
    bool available = false;
    std::string reason; ///< why not
};
/// Every backend this build knows, with the reason for the absent ones.
std::vector<BackendInfo> listBackends();
/// "auto", "cpu", "cuda:N". Error::Backend with the reason when it cannot be had.
Result<std::unique_ptr<Backend>> makeBackend(const std::string& device, int threads = 0);

} // namespace qs
