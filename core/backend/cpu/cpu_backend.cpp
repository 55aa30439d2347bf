// SPDX-License-Identifier: Apache-2.0
#include "core/backend/backend.h"
#include "core/backend/cpu/codes.h"
#include "core/backend/cpu/host_buffer.h"
#include "core/backend/cpu/kernels.h"
#include "core/backend/cpu/solver_steps.h"
#include "core/backend/shapes.h"
#include "core/linalg/bf16.h"
#include "core/linalg/blas.h"
#include "core/linalg/parallel.h"
#include "core/linalg/second_moment.h"
#include "core/linalg/transpose.h"
#include "core/tensor/convert.h"

#include <fmt/format.h>

namespace qs {

namespace {

using cpu::HostBuffer;
using cpu::hostBuffer;
using cpu::HostCodes;
using cpu::isBf16;
using cpu::makeCodes;
using cpu::view;

class HostSecondMoment final : public SecondMoment {
public:
    HostSecondMoment(size_t channels, Precision precision)
        : sigma_(channels, channels), precision_(precision) {}
    Result<void> add(const Tensor& x) override {
        QS_CHECK(shapes::checkSigma(x, sigma_.rows()));
        if (precision_ == Precision::BF16) return linalg::addSecondMomentBf16(view(x), sigma_.view());
        linalg::addSecondMoment(view(x), sigma_.view());
        return {};
    }
    Result<MatrixD> take() override {
        linalg::mirrorUpper(sigma_.view());
        return std::move(sigma_);
    }

private:
    MatrixD sigma_;
    Precision precision_;
};

cpu::Groups viewOf(const CodeGroups& g) {
    return {view(g.scale), view(g.zero), g.groupSize, g.blockRows, g.groupOfColumn};
}

class CpuBackend final : public Backend {
public:
    CpuBackend(int threads, Precision precision) : precision_(precision) {
        linalg::setThreads(threads > 0 ? threads : linalg::hardwareThreads());
    }

    std::string id() const override { return "cpu"; }
    bool inMainMemory() const override { return true; }
    std::string description() const override {
        std::string text =
            fmt::format("CPU, {} thread{}, {}, {}", linalg::threads(), linalg::threads() == 1 ? "" : "s",
                        linalg::providerDescription(), cpu::instructionSet());
        if (precision_ == Precision::BF16) text += ", bf16 by " + linalg::bf16ProviderDescription();
        return text;
    }

    Precision precision() const override { return precision_; }

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
        if (!to.buffer || isBf16(to) || to.rows != from.rows || to.cols != from.cols) {
            QS_TRY(to, allocate(from.rows, from.cols));
        }
        MatrixView out = view(to);
        for (size_t r = 0; r < from.rows; ++r)
            std::copy_n(from.row(r), from.cols, out.row(r));
        return {};
    }

    Result<void> uploadWeight(ConstMatrixView from, Tensor& to) override {
        if (precision_ == Precision::F32) return upload(from, to);
        try {
            to = {std::make_shared<HostBuffer>(linalg::toBf16(from)), from.rows, from.cols};
        } catch (const std::bad_alloc&) {
            return Error{ErrorCode::OutOfMemory,
                         fmt::format("no memory for a weight of [{}, {}]", from.rows, from.cols),
                         {}};
        }
        return {};
    }

    Result<void> download(const TensorBlock& from, MatrixView to) override {
        QS_CHECK(shapes::checkCopy("download", from, to));
        if (isBf16(from)) {
            for (size_t r = 0; r < to.rows; ++r)
                bfloatToFloatBulk(reinterpret_cast<const std::byte*>(hostBuffer(from)->half.row(r)),
                                  to.row(r), to.cols);
            return {};
        }
        const MatrixView in = view(from);
        for (size_t r = 0; r < to.rows; ++r)
            std::copy_n(in.row(r), in.cols, to.row(r));
        return {};
    }

    Result<void> write(ConstMatrixView from, const TensorBlock& to) override {
        QS_CHECK(shapes::checkCopy("write", to, from));
        const MatrixView out = view(to);
        if (from.data == out.data) return {};
        for (size_t r = 0; r < from.rows; ++r)
            std::copy_n(from.row(r), from.cols, out.row(r));
        return {};
    }

    Result<ConstMatrixView> hostView(const TensorBlock& x, Matrix& storage) override {
        if (isBf16(x)) return Backend::hostView(x, storage);
        return ConstMatrixView(view(x));
    }

    Result<MatrixView> hostStorage(const TensorBlock& x, Matrix&) override { return view(x); }

    Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y) override {
        QS_CHECK(shapes::checkLinear(x, w, bias, y));
        if (isBf16(w))
            QS_CHECK(linalg::gemmBf16(view(x), hostBuffer(w)->half.view(), view(y)));
        else
            linalg::gemm(false, true, 1.0f, view(x), view(w), 0.0f, view(y));
        if (bias) {
            const float* b = view(*bias).data;
            for (size_t r = 0; r < y.rows; ++r)
                cpu::addRow(view(y).row(r), b, y.cols);
        }
        return {};
    }

    Result<void> rmsNorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y) override {
        QS_CHECK(shapes::checkNorm("rmsNorm", x, gain, y));
        const MatrixView in = view(x), g = view(gain), out = view(y);
        linalg::parallelFor(x.rows, rowGrain(x.cols), [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                cpu::rmsNormRow(in.row(r), g.row(r % g.rows), eps, out.row(r), in.cols);
        });
        return {};
    }

    Result<void> layerNorm(const Tensor& x, const Tensor& gain, const Tensor& bias, double eps,
                           Tensor& y) override {
        QS_CHECK(shapes::checkLayerNorm(x, gain, bias, y));
        const MatrixView in = view(x), g = view(gain), b = view(bias), out = view(y);
        linalg::parallelFor(x.rows, rowGrain(x.cols), [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                cpu::layerNormRow(in.row(r), g.row(r % g.rows), b.row(r % g.rows), eps, out.row(r), in.cols);
        });
        return {};
    }

    Result<void> rope(Tensor& x, size_t headDim, const RopeTable& table, size_t windowLength) override {
        QS_CHECK(shapes::checkRope(x, headDim, table, windowLength));
        const MatrixView m = view(x), cosine = view(table.cosine), sine = view(table.sine);
        linalg::parallelFor(x.rows, 32, [&](size_t begin, size_t end) {
            for (size_t r = begin; r < end; ++r)
                for (size_t h = 0; h < x.cols; h += headDim)
                    cpu::ropeHead(m.row(r) + h, cosine.row(r % windowLength), sine.row(r % windowLength),
                                  cosine.cols);
        });
        return {};
    }

    Result<void> attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& a,
                           Tensor& out) override {
        QS_CHECK(shapes::checkAttention(q, k, v, a, out));
        const size_t d = q.cols / a.heads, n = a.windowLength, windows = q.rows / n,
                     tiles = (n + kQueryTile - 1) / kQueryTile;
        linalg::parallelFor(windows * a.heads * tiles, tiles, [&](size_t begin, size_t end) {
            Matrix scores(std::min(kQueryTile, n), n);
            for (size_t i = begin; i < end; ++i) {
                const size_t first = i / tiles / a.heads * n, head = i / tiles % a.heads,
                             kv = head / (a.heads / a.kvHeads), query = i % tiles * kQueryTile,
                             count = std::min(kQueryTile, n - query);
                attendTile(a, head, query, view(q).block(first + query, count, head * d, d),
                           view(k).block(first, n, kv * d, d), view(v).block(first, n, kv * d, d), scores,
                           view(out).block(first + query, count, head * d, d));
            }
        });
        return {};
    }

    Result<void> activate(Activation f, Tensor& x) override {
        linalg::parallelFor(x.rows, 16, [&](size_t begin, size_t end) {
            cpu::activateRow(f, view(x).row(begin), (end - begin) * x.cols);
        });
        return {};
    }

    Result<void> activateMultiply(Activation f, Tensor& gate, const Tensor& up) override {
        QS_CHECK(shapes::checkSame("activateMultiply", gate, up));
        linalg::parallelFor(gate.rows, 16, [&](size_t begin, size_t end) {
            cpu::activateMultiply(f, view(gate).row(begin), view(up).row(begin), (end - begin) * gate.cols);
        });
        return {};
    }

    Result<void> softCap(Tensor& x, float cap) override {
        QS_CHECK(shapes::checkSoftCap(cap));
        linalg::parallelFor(x.rows, 16, [&](size_t begin, size_t end) {
            cpu::softCapRow(view(x).row(begin), 1.0f, cap, (end - begin) * x.cols);
        });
        return {};
    }

    Result<void> gatherRows(const Tensor& x, std::span<const uint32_t> rows, Tensor& y) override {
        QS_CHECK(shapes::checkRows("gatherRows", x, rows, y));
        for (size_t i = 0; i < rows.size(); ++i)
            std::copy_n(view(x).row(rows[i]), x.cols, view(y).row(i));
        return {};
    }

    Result<void> addScaledRows(Tensor& x, std::span<const uint32_t> rows, std::span<const float> weights,
                               const Tensor& y) override {
        QS_CHECK(shapes::checkScaledRows(x, rows, weights, y));
        for (size_t i = 0; i < rows.size(); ++i)
            cpu::addScaledRow(view(x).row(rows[i]), weights[i], view(y).row(i), x.cols);
        return {};
    }

    Result<void> add(Tensor& x, const Tensor& y) override {
        QS_CHECK(shapes::checkSame("add", x, y));
        cpu::addRow(view(x).data, view(y).data, x.rows * x.cols);
        return {};
    }

    Result<std::unique_ptr<SecondMoment>> secondMoment(size_t channels) override {
        try {
            return std::unique_ptr<SecondMoment>(std::make_unique<HostSecondMoment>(channels, precision_));
        } catch (const std::bad_alloc&) {
            return Error{ErrorCode::OutOfMemory, fmt::format("no memory for Sigma [{0}, {0}]", channels), {}};
        }
    }

    Result<LogitScores> scoreLogits(const Tensor& logits, std::span<const uint32_t> rows,
                                    std::span<const uint32_t> targets, const Tensor* reference) override {
        QS_CHECK(shapes::checkScores(logits, rows, targets, reference));
        return cpu::scoreLogits(view(logits), rows, targets, reference ? view(*reference) : MatrixView());
    }

    Result<TensorBlock> borrow(ConstMatrixView from) override {
        TensorBlock out;
        out.buffer = std::make_shared<HostBuffer>(from.data);
        out.rows = from.rows;
        out.cols = from.cols;
        out.stride = from.stride;
        return out;
    }

    Result<void> copy(const TensorBlock& from, const TensorBlock& to) override {
        QS_CHECK(shapes::checkBlocks("copy", from, to));
        if (view(from).data != view(to).data)
            std::copy_n(view(from).data, from.rows * from.cols, view(to).data);
        return {};
    }

    Result<void> gatherColumns(const TensorBlock& x, std::span<const uint32_t> columns,
                               const TensorBlock& out) override {
        QS_CHECK(shapes::checkColumnList(x, columns, out));
        cpu::gatherColumns(view(x), columns, view(out));
        return {};
    }

    Result<void> columnRanges(const TensorBlock& x, std::span<float> low, std::span<float> high) override {
        QS_CHECK(shapes::checkRanges(x, low, high));
        cpu::columnRanges(view(x), low.data(), high.data());
        return {};
    }

    Result<void> groupRanges(const Tensor& x, size_t groupSize, MatrixView low, MatrixView high) override {
        QS_CHECK(shapes::checkGroupRanges(x, groupSize, low, high));
        cpu::groupRanges(view(x), groupSize, low, high);
        return {};
    }

    Result<std::unique_ptr<UpperFactor>> upperFactor(const MatrixD& sigma, std::span<const uint32_t> order,
                                                     std::span<const double> diagonal) override {
        QS_CHECK(shapes::checkFactor(sigma, order, diagonal));
        return cpu::upperFactor(*this, sigma, order, diagonal);
    }

    Result<void> addProduct(float alpha, const TensorBlock& c, const TensorBlock& a,
                            const TensorBlock& b) override {
        QS_CHECK(shapes::checkProduct(c, a, b));
        linalg::gemm(true, false, alpha, view(a), view(b), 1.0f, view(c));
        return {};
    }

    Result<void> gptqColumnBlock(const ColumnBlock& b) override {
        QS_CHECK(shapes::checkColumns(b));
        const auto codes = view(b.codes).block(b.firstCode, b.weight.rows, 0, b.weight.cols);
        const cpu::GptqColumns columns{view(b.weight),   view(b.error),  view(b.change),
                                       view(b.original), view(b.factor), codes,
                                       view(b.scale),    view(b.zero),   b.maxCode};
        linalg::parallelFor(b.weight.cols, 256,
                            [&](size_t begin, size_t end) { cpu::gptqRows(columns, begin, end - begin); });
        return {};
    }

    Result<CodeTensor> allocateCodes(size_t rows, size_t cols) override {
        CodeTensor codes;
        QS_CHECK(makeCodes(rows, cols, codes));
        return codes;
    }

    Result<void> uploadCodes(MatrixViewT<const uint8_t> from, CodeTensor& to) override {
        QS_CHECK(makeCodes(from.rows, from.cols, to));
        for (size_t r = 0; r < from.rows; ++r)
            std::copy_n(from.row(r), from.cols, view(to).row(r));
        return {};
    }

    Result<void> downloadCodes(const CodeTensor& from, MatrixViewT<uint8_t> to) override {
        QS_CHECK(shapes::checkCodeCopy("downloadCodes", from, to.rows, to.cols));
        for (size_t r = 0; r < to.rows; ++r)
            std::copy_n(view(from).row(r), to.cols, to.row(r));
        return {};
    }

    Result<void> downloadTransposed(const CodeTensor& from, MatrixViewT<uint8_t> to) override {
        QS_CHECK(shapes::checkTransposed(from, to.rows, to.cols));
        linalg::transpose(MatrixViewT<const uint8_t>(view(from).block(0, to.cols, 0, to.rows)), to);
        return {};
    }

    Result<void> roundToGrid(const Tensor& x, const CodeGrid& grid, const CodeGroups& groups,
                             CodeTensor& codes, Tensor* values) override {
        QS_CHECK(shapes::checkRound(x, grid, groups, values));
        QS_CHECK(makeCodes(x.rows, x.cols, codes));
        if (cpu::roundToGrid(view(x), grid, viewOf(groups), view(codes),
                             values ? view(*values) : MatrixView()))
            return {};
        return shapes::notFinite("roundToGrid", "a value of x");
    }

    Result<void> decodeCodes(const CodeTensor& codes, const CodeGrid& grid, const CodeGroups& groups,
                             Tensor& values) override {
        QS_CHECK(shapes::checkDecode(codes, grid, groups, values));
        cpu::decodeCodes(view(codes), grid, viewOf(groups), view(values));
        return {};
    }

    Result<ColumnSums> columnSums(const Tensor& x, std::span<const float> shift) override {
        QS_CHECK(shapes::checkShift(x, shift));
        return cpu::columnSums(view(x), shift);
    }

    Result<ValueCounts> countValues(const Tensor& x, double lo, double hi, size_t bins) override {
        QS_CHECK(shapes::checkBins(lo, hi, bins));
        return cpu::countValues(view(x), lo, hi, bins);
    }

    Result<KMeansStep> kMeansStep(const Tensor& points, const Tensor* weights,
                                  ConstMatrixView centers) override {
        QS_CHECK(shapes::checkKMeans(points, weights, centers));
        if (!cpu::allFinite(view(points))) return shapes::notFinite("kMeansStep", "a point");
        const std::span<const float> w =
            weights ? std::span<const float>(view(*weights).data, points.rows) : std::span<const float>();
        return cpu::kMeansStep(view(points), w, centers);
    }

    Result<void> rotateRows(Tensor& x, std::span<const float> signs, const MatrixD& orthogonal,
                            bool back) override {
        QS_CHECK(shapes::checkRotation(x, signs, orthogonal));
        cpu::rotateRows(view(x), signs, orthogonal, back);
        return {};
    }

private:
    /// Rows per chunk of a parallel loop, about 4096 values.
    static size_t rowGrain(size_t cols) { return std::max<size_t>(1, 4096 / std::max<size_t>(1, cols)); }

    /// Queries that share one product with the keys: scores [kQueryTile, window], never [window, window].
    static constexpr size_t kQueryTile = 64;

    /// Queries `query`, query + 1, ... of a window: q, out [count, d], k, v [window, d]. Keys that none of
    /// them sees are left out.
    static void attendTile(const AttentionShape& a, size_t head, size_t query, ConstMatrixView q,
                           ConstMatrixView k, ConstMatrixView v, Matrix& memory, MatrixView out) {
        const auto firstSeen = [&](size_t t) { return a.reach > 0 && t + 1 > a.reach ? t + 1 - a.reach : 0; };
        const size_t from = firstSeen(query), to = a.causal ? query + q.rows : k.rows;
        const MatrixView scores(memory.data(), q.rows, to - from);
        linalg::gemm(false, true, 1.0f, q, k.block(from, to - from, 0, k.cols), 0.0f, scores);
        for (size_t t = 0; t < scores.rows; ++t) {
            const size_t begin = firstSeen(query + t) - from,
                         end = a.causal ? query + t + 1 - from : scores.cols;
            float* row = scores.row(t);
            float scale = a.scale;
            if (a.softCap > 0) {
                cpu::softCapRow(row + begin, scale, a.softCap, end - begin);
                scale = 1;
            }
            if (a.keyBias.buffer) {
                cpu::scaleAddRow(row + begin, scale, view(a.keyBias).row(head) + from + begin, end - begin);
                scale = 1;
            }
            cpu::softmaxRow(row + begin, scale, end - begin);
            std::fill(row, row + begin, 0.0f);
            std::fill(row + end, row + scores.cols, 0.0f);
        }
        linalg::gemm(false, false, 1.0f, scores, v.block(from, to - from, 0, v.cols), 0.0f, out);
    }

    Precision precision_;
};

} // namespace

std::unique_ptr<Backend> makeCpuBackend(int threads, Precision precision) {
    return std::make_unique<CpuBackend>(threads, precision);
}

} // namespace qs
