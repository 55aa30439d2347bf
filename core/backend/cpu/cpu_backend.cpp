// SPDX-License-Identifier: Apache-2.0
#include "core/backend/backend.h"
#include "core/backend/cpu/kernels.h"
#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"

#include <fmt/format.h>

namespace qs {

namespace {

struct HostBuffer : DeviceBuffer {
    explicit HostBuffer(size_t rows, size_t cols) : matrix(rows, cols) {}
    Matrix matrix;
};

MatrixView view(const Tensor& t) {
    float* data = t.buffer ? static_cast<HostBuffer*>(t.buffer.get())->matrix.data() : nullptr;
    return {data, t.rows, t.cols};
}

Result<void> shapeError(const char* op, const std::string& rule, const std::string& got) {
    return Error::invalid(fmt::format("[{}] {}, got {}", op, rule, got));
}
std::string shape(const Tensor& t) {
    return fmt::format("[{}, {}]", t.rows, t.cols);
}

class CpuBackend final : public Backend {
public:
    explicit CpuBackend(int threads) {
        linalg::setThreads(threads > 0 ? threads : linalg::hardwareThreads());
    }

    std::string id() const override { return "cpu"; }
    std::string description() const override {
        return fmt::format("CPU, {} thread{}, {}, {}", linalg::threads(), linalg::threads() == 1 ? "" : "s",
                           linalg::providerDescription(), cpu::instructionSet());
    }

    Result<Tensor> allocate(size_t rows, size_t cols) override {
        if (cols != 0 && rows > SIZE_MAX / sizeof(float) / cols)
            return Error{ErrorCode::OutOfMemory, fmt::format("[{}, {}] floats do not fit", rows, cols), {}};
        try {
            return Tensor{std::make_shared<HostBuffer>(rows, cols), rows, cols};
        } catch (const std::bad_alloc&) {
            return Error{
                ErrorCode::OutOfMemory, fmt::format("no memory for [{}, {}] floats", rows, cols), {}};
        }
    }

    Result<void> upload(ConstMatrixView from, Tensor& to) override {
        if (!to.buffer || to.rows != from.rows || to.cols != from.cols) {
            QS_TRY(to, allocate(from.rows, from.cols));
        }
        MatrixView out = view(to);
        for (size_t r = 0; r < from.rows; ++r)
            std::copy_n(from.row(r), from.cols, out.row(r));
        return {};
    }

    Result<void> download(const Tensor& from, MatrixView to) override {
        if (to.rows != from.rows || to.cols != from.cols)
            return shapeError("download", "shapes must match", shape(from));
        const MatrixView in = view(from);
        for (size_t r = 0; r < to.rows; ++r)
            std::copy_n(in.row(r), in.cols, to.row(r));
        return {};
    }

    Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y) override {
        if (x.cols != w.cols || y.rows != x.rows || y.cols != w.rows)
            return shapeError("linear", "x [T, K], w [N, K], y [T, N]", shape(x) + shape(w) + shape(y));
        linalg::gemm(false, true, 1.0f, view(x), view(w), 0.0f, view(y));
        if (bias) {
            const float* b = view(*bias).data;
            for (size_t r = 0; r < y.rows; ++r)
                cpu::addRow(view(y).row(r), b, y.cols);
        }
        return {};
    }

    Result<void> rmsNorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y) override {
        if (gain.cols != x.cols || y.rows != x.rows || y.cols != x.cols)
            return shapeError("rmsNorm", "gain [1, N], x and y [T, N]", shape(gain) + shape(x) + shape(y));
        const MatrixView in = view(x), g = view(gain), out = view(y);
        linalg::parallelFor(x.rows, 32, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                cpu::rmsNormRow(in.row(r), g.data, eps, out.row(r), in.cols);
        });
        return {};
    }

    Result<void> rope(Tensor& x, size_t headDim, const RopeTable& table, size_t windowLength) override {
        const MatrixView cosine = view(table.cosine), sine = view(table.sine), m = view(x);
        if (x.cols % headDim != 0 || cosine.cols != headDim / 2 || windowLength > cosine.rows ||
            windowLength == 0)
            return shapeError("rope", "x [T, heads * d], table [positions >= window, d / 2]",
                              shape(x) + shape(table.cosine));
        linalg::parallelFor(x.rows, 32, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                for (size_t h = 0; h < x.cols; h += headDim)
                    cpu::ropeHead(m.row(r) + h, cosine.row(r % windowLength), sine.row(r % windowLength),
                                  headDim / 2);
        });
        return {};
    }

    Result<void> attention(const Tensor& q, const Tensor& k, const Tensor& v, size_t heads, size_t kvHeads,
                           size_t windowLength, Tensor& out) override {
        if (heads == 0 || kvHeads == 0 || heads % kvHeads != 0 || q.cols % heads != 0 || windowLength == 0 ||
            q.rows % windowLength != 0 || k.cols != q.cols / heads * kvHeads || k.cols != v.cols ||
            out.cols != q.cols || out.rows != q.rows || k.rows != q.rows || v.rows != q.rows)
            return shapeError("attention",
                              "q, out [T, heads * d], k, v [T, kvHeads * d], T a multiple of the window",
                              shape(q) + shape(k) + shape(v) + shape(out));
        const size_t d = q.cols / heads, windows = q.rows / windowLength;
        linalg::parallelFor(windows * heads, 1, [&](size_t begin, size_t end) {
            Matrix scores(windowLength, windowLength);
            for (size_t i = begin; i < end; ++i) {
                const size_t first = i / heads * windowLength, head = i % heads,
                             kv = head / (heads / kvHeads);
                attendHead(view(q).block(first, windowLength, head * d, d),
                           view(k).block(first, windowLength, kv * d, d),
                           view(v).block(first, windowLength, kv * d, d), scores.view(),
                           view(out).block(first, windowLength, head * d, d));
            }
        });
        return {};
    }

    Result<void> siluMultiply(Tensor& gate, const Tensor& up) override {
        if (gate.rows != up.rows || gate.cols != up.cols)
            return shapeError("siluMultiply", "shapes must match", shape(gate) + shape(up));
        linalg::parallelFor(gate.rows, 16, [&](size_t begin, size_t end) {
            cpu::siluMultiply(view(gate).row(begin), view(up).row(begin), (end - begin) * gate.cols);
        });
        return {};
    }

    Result<void> add(Tensor& x, const Tensor& y) override {
        if (x.rows != y.rows || x.cols != y.cols)
            return shapeError("add", "shapes must match", shape(x) + shape(y));
        cpu::addRow(view(x).data, view(y).data, x.rows * x.cols);
        return {};
    }

    Result<void> accumulateSigma(const Tensor& x, MatrixD& sigma) override {
        if (sigma.rows() != x.cols || sigma.cols() != x.cols)
            return shapeError("accumulateSigma", "sigma [K, K] for x [T, K]", shape(x));
        constexpr size_t kChunk = 1024; // float32 sums over more rows lose digits
        const size_t n = x.cols;
        Matrix part(n, n);
        for (size_t first = 0; first < x.rows; first += kChunk) {
            linalg::syrkUpper(view(x).block(first, std::min(kChunk, x.rows - first), 0, n), part.view());
            linalg::parallelFor(n, 64, [&](size_t begin, size_t end) {
                for (size_t r = begin; r < end; ++r)
                    cpu::addToDouble(sigma.row(r) + r, part.row(r) + r, n - r);
            });
        }
        mirrorUpper(sigma);
        return {};
    }

    Result<MatrixD> inverseFactor(MatrixD h) override {
        const size_t n = h.rows();
        if (h.cols() != n)
            return Error::invalid(fmt::format("[inverseFactor] H must be square, got [{}, {}]", n, h.cols()));
        // With the order of rows and columns reversed, H = R R^T (R upper) becomes an ordinary Cholesky
        // factor, and U = R^-1 satisfies U^T U = H^-1: one factorization and one triangular inverse instead
        // of factor, inverse, factor.
        reverseSymmetric(h);
        QS_CHECK(linalg::choleskyLower(h.view()));
        QS_CHECK(linalg::invertLower(h.view()));
        for (size_t r = 0; r < n; ++r)
            std::fill(h.row(r) + r + 1, h.row(r) + n, 0.0);
        reverseSymmetric(h);
        return h;
    }

    Result<void> subtractProduct(MatrixView c, ConstMatrixView a, ConstMatrixView b) override {
        if (a.rows != b.rows || c.rows != a.cols || c.cols != b.cols)
            return Error::invalid("[subtractProduct] c [m, n], a [k, m], b [k, n] do not fit");
        linalg::gemm(true, false, -1.0f, a, b, 1.0f, c);
        return {};
    }

    Result<void> gptqColumnBlock(const ColumnBlock& b) override {
        linalg::parallelFor(b.weight.cols, 64,
                            [&](size_t begin, size_t end) { cpu::gptqRows(b, begin, end - begin); });
        return {};
    }

private:
    static void attendHead(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, MatrixView scores,
                           MatrixView out) {
        const float scale = float(1.0 / std::sqrt(double(q.cols)));
        linalg::gemm(false, true, 1.0f, q, k, 0.0f, scores);
        for (size_t t = 0; t < scores.rows; ++t) {
            cpu::softmaxRow(scores.row(t), scale, t + 1);
            std::fill(scores.row(t) + t + 1, scores.row(t) + scores.cols, 0.0f);
        }
        linalg::gemm(false, false, 1.0f, scores, v, 0.0f, out);
    }

    static void mirrorUpper(MatrixD& m) {
        constexpr size_t kTile = 64;
        const size_t n = m.rows();
        for (size_t r0 = 0; r0 < n; r0 += kTile)
            for (size_t c0 = r0; c0 < n; c0 += kTile)
                for (size_t r = r0; r < std::min(n, r0 + kTile); ++r)
                    for (size_t c = std::max(c0, r + 1); c < std::min(n, c0 + kTile); ++c)
                        m(c, r) = m(r, c);
    }

    /// Reverses the order of all elements: rows and columns at once.
    static void reverseSymmetric(MatrixD& m) { std::reverse(m.data(), m.data() + m.size()); }
};

} // namespace

std::unique_ptr<Backend> makeCpuBackend(int threads) {
    return std::make_unique<CpuBackend>(threads);
}

} // namespace qs
