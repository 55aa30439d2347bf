// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/cuda_backend.h"

#include "core/backend/cuda/codes.h"
#include "core/backend/cuda/devices.h"
#include "core/backend/cuda/solver.h"
#include "core/backend/shapes.h"
#include "core/tensor/convert.h"

#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

using namespace cuda;

class SecondMomentOfTensors final : public SecondMoment {
public:
    explicit SecondMomentOfTensors(DeviceSecondMoment sum) : sum_(std::move(sum)) {}
    Result<void> begin() { return sum_.begin(); }
    Result<void> add(const Tensor& x) override {
        QS_CHECK(shapes::checkSigma(x, sum_.channels()));
        return sum_.add(data(x), x.rows);
    }
    Result<MatrixD> take() override { return sum_.take(); }

private:
    DeviceSecondMoment sum_;
};

class TallyOfTensors final : public ColumnTally {
public:
    explicit TallyOfTensors(DeviceTally tally) : tally_(std::move(tally)) {}
    Result<void> add(const Tensor& x) override {
        if (x.cols != tally_.cols())
            return shapes::error("columnTally", fmt::format("x [T, {}]", tally_.cols()), shapes::text(x));
        return tally_.add(viewOf(x));
    }
    Result<TallySums> take() override { return tally_.take(); }

private:
    DeviceTally tally_;
};

cuda::Function functionOf(Activation f) {
    switch (f) {
    case Activation::Silu:
        return cuda::Function::Silu;
    case Activation::GeluErf:
        return cuda::Function::GeluErf;
    case Activation::GeluTanh:
        return cuda::Function::GeluTanh;
    case Activation::QuickGelu:
        return cuda::Function::QuickGelu;
    default:
        return cuda::Function::Relu;
    }
}

class CudaBackend final : public Backend {
public:
    CudaBackend(int index, std::shared_ptr<Device> device, Precision precision)
        : index_(index), device_(std::move(device)), products_(device_), precision_(precision) {}

    std::string id() const override { return fmt::format("cuda:{}", index_); }
    std::string description() const override {
        return fmt::format("{}, {}{}", device_->name(), products_.description(),
                           precision_ == Precision::BF16 ? ", bf16" : "");
    }
    Precision precision() const override { return precision_; }
    std::vector<std::string> takeNotes() override { return device_->takeNotes(); }
    std::optional<MemoryState> memory() override {
        const auto [free, total] = device_->memory();
        if (total == 0) return std::nullopt;
        return MemoryState{free, total};
    }

    Result<Tensor> allocate(size_t rows, size_t cols) override {
        QS_TRY(Tensor t, take(rows, cols, sizeof(float)));
        QS_CHECK(
            check("allocate", cudaMemsetAsync(data(t), 0, rows * cols * sizeof(float), device_->stream())));
        return t;
    }

    Result<void> upload(ConstMatrixView from, Tensor& to) override {
        if (!to.buffer || isHalf(to) || to.rows != from.rows || to.cols != from.cols) {
            QS_TRY(to, take(from.rows, from.cols, sizeof(float)));
        }
        QS_CHECK(begin("upload", {&to}));
        return device_->upload(*matrixOf(to)->memory, from.rows, from.cols, sizeof(float), rowsOf(from));
    }

    Result<void> uploadWeight(ConstMatrixView from, Tensor& to) override {
        if (precision_ == Precision::F32) return upload(from, to);
        QS_TRY(to, take(from.rows, from.cols, sizeof(uint16_t)));
        return device_->upload(*matrixOf(to)->memory, from.rows, from.cols, sizeof(uint16_t),
                               [&](size_t row, size_t first, size_t count, void* staging) {
                                   floatToBfloatBulk(from.row(row) + first, static_cast<std::byte*>(staging),
                                                     count);
                               });
    }

    Result<void> write(ConstMatrixView from, const TensorBlock& to) override {
        QS_CHECK(shapes::checkCopy("write", to, from));
        QS_CHECK(begin("write", {}));
        if (isHalf(to)) return shapes::error("write", "a tensor of float32", shapes::text(to));
        Memory& memory = *matrixOf(to)->memory;
        memory.as<float>(); // kernels may be reading the other rows
        return device_->upload(memory, from.rows, from.cols, sizeof(float), rowsOf(from),
                               to.offset * sizeof(float));
    }

    Result<void> download(const TensorBlock& from, MatrixView to) override {
        QS_CHECK(shapes::checkCopy("download", from, to));
        QS_CHECK(device_->enter());
        if (!isHalf(from))
            return device_->download(data(from), to.rows, to.cols, sizeof(float), rowsInto(to));
        return device_->download(data(from), to.rows, to.cols, sizeof(uint16_t),
                                 [&](size_t row, size_t first, size_t count, const void* staging) {
                                     bfloatToFloatBulk(static_cast<const std::byte*>(staging),
                                                       to.row(row) + first, count);
                                 });
    }

    Result<void> linear(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y) override {
        QS_CHECK(shapes::checkLinear(x, w, bias, y));
        QS_CHECK(begin("linear", {&x, bias, &y}));
        Product p{.transposeB = true, .m = y.rows, .n = y.cols, .k = x.cols};
        p.a = data(x);
        p.b = data(w);
        p.c = data(y);
        p.strideA = p.strideB = x.cols;
        p.strideC = y.cols;
        if (isHalf(w)) {
            p.typeA = Stored::Rounded;
            p.typeB = Stored::Bf16;
            QS_TRY(const auto half, products_.halves(data(x), x.rows * x.cols));
            QS_CHECK(products_.multiplyRounded(p, half ? half->as<void>() : nullptr, p.b));
        } else {
            QS_CHECK(products_.multiply(p));
        }
        if (!bias) return {};
        return check("linear", addBias(data(y), data(*bias), y.rows, y.cols, device_->stream()));
    }

    Result<void> rmsNorm(const Tensor& x, const Tensor& gain, double eps, Tensor& y) override {
        QS_CHECK(shapes::checkNorm("rmsNorm", x, gain, y));
        QS_CHECK(begin("rmsNorm", {&x, &gain, &y}));
        return check("rmsNorm", cuda::rmsNorm(data(x), data(gain), x.rows, x.cols, gain.rows, eps, data(y),
                                              device_->stream()));
    }

    Result<void> layerNorm(const Tensor& x, const Tensor& gain, const Tensor& bias, double eps,
                           Tensor& y) override {
        QS_CHECK(shapes::checkLayerNorm(x, gain, bias, y));
        QS_CHECK(begin("layerNorm", {&x, &gain, &bias, &y}));
        return check("layerNorm", cuda::layerNorm(data(x), data(gain), data(bias), x.rows, x.cols, gain.rows,
                                                  eps, data(y), device_->stream()));
    }

    Result<void> rope(Tensor& x, size_t headDim, const RopeTable& table, size_t windowLength) override {
        QS_CHECK(shapes::checkRope(x, headDim, table, windowLength));
        QS_CHECK(begin("rope", {&x, &table.cosine, &table.sine}));
        return check("rope",
                     cuda::rope(data(x), x.rows, x.cols, headDim, data(table.cosine), data(table.sine),
                                table.cosine.cols, windowLength, device_->stream()));
    }

    Result<void> attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape,
                           Tensor& out) override {
        QS_CHECK(shapes::checkAttention(q, k, v, shape, out));
        QS_CHECK(begin("attention", {&q, &k, &v, &shape.keyBias, &out}));
        cuda::Attention a{};
        a.q = data(q);
        a.k = data(k);
        a.v = data(v);
        a.out = data(out);
        a.keyBias = data(shape.keyBias);
        a.windows = q.rows / shape.windowLength;
        a.window = shape.windowLength;
        a.heads = shape.heads;
        a.kvHeads = shape.kvHeads;
        a.headDim = q.cols / shape.heads;
        a.reach = shape.reach;
        a.scale = shape.scale;
        a.softCap = shape.softCap;
        a.causal = shape.causal;
        a.tensorCores = device_->hasTensorCores();
        return check("attention", cuda::attention(a, device_->stream()));
    }

    Result<void> activate(Activation f, Tensor& x) override {
        QS_CHECK(begin("activate", {&x}));
        return check("activate", cuda::activate(functionOf(f), data(x), x.rows * x.cols, device_->stream()));
    }

    Result<void> activateMultiply(Activation f, Tensor& gate, const Tensor& up) override {
        QS_CHECK(shapes::checkSame("activateMultiply", gate, up));
        QS_CHECK(begin("activateMultiply", {&gate, &up}));
        return check("activateMultiply", cuda::activateMultiply(functionOf(f), data(gate), data(up),
                                                                gate.rows * gate.cols, device_->stream()));
    }

    Result<void> softCap(Tensor& x, float cap) override {
        QS_CHECK(shapes::checkSoftCap(cap));
        QS_CHECK(begin("softCap", {&x}));
        return check("softCap", cuda::softCap(data(x), cap, x.rows * x.cols, device_->stream()));
    }

    Result<void> gatherRows(const Tensor& x, std::span<const uint32_t> rows, Tensor& y) override {
        QS_CHECK(shapes::checkRows("gatherRows", x, rows, y));
        QS_CHECK(begin("gatherRows", {&x, &y}));
        QS_TRY(const auto list, uploaded(*device_, rows));
        return check("gatherRows", cuda::gatherRows(data(x), list->as<uint32_t>(), rows.size(), x.cols,
                                                    data(y), device_->stream()));
    }

    Result<void> addScaledRows(Tensor& x, std::span<const uint32_t> rows, std::span<const float> weights,
                               const Tensor& y) override {
        QS_CHECK(shapes::checkScaledRows(x, rows, weights, y));
        QS_CHECK(begin("addScaledRows", {&x, &y}));
        QS_TRY(const auto list, uploaded(*device_, rows));
        QS_TRY(const auto factors, uploaded(*device_, weights));
        return check("addScaledRows", cuda::addScaledRows(data(x), list->as<uint32_t>(), factors->as<float>(),
                                                          data(y), rows.size(), x.cols, device_->stream()));
    }

    Result<void> add(Tensor& x, const Tensor& y) override {
        QS_CHECK(shapes::checkSame("add", x, y));
        QS_CHECK(begin("add", {&x, &y}));
        return check("add", cuda::add(data(x), data(y), x.rows * x.cols, device_->stream()));
    }

    Result<std::unique_ptr<SecondMoment>> secondMoment(size_t channels) override {
        QS_CHECK(device_->enter());
        auto sum = std::make_unique<SecondMomentOfTensors>(
            DeviceSecondMoment(*device_, products_, precision_, channels));
        QS_CHECK(sum->begin());
        return std::unique_ptr<SecondMoment>(std::move(sum));
    }

    Result<std::unique_ptr<ColumnTally>> columnTally(std::span<const float> shift) override {
        QS_CHECK(device_->enter());
        DeviceTally tally(*device_, shift.size());
        QS_CHECK(tally.begin(shift));
        return std::unique_ptr<ColumnTally>(std::make_unique<TallyOfTensors>(std::move(tally)));
    }

    Result<LogitScores> scoreLogits(const Tensor& logits, std::span<const uint32_t> rows,
                                    std::span<const uint32_t> targets, const Tensor* reference) override {
        QS_CHECK(shapes::checkScores(logits, rows, targets, reference));
        QS_CHECK(begin("scoreLogits", {&logits, reference}));
        return cuda::scoreLogits(*device_, viewOf(logits), reference ? data(*reference) : nullptr, rows,
                                 targets);
    }

    Result<double> quadraticForm(ConstMatrixView a, const MatrixD& sigma) override {
        QS_CHECK(shapes::checkForm(a, sigma));
        QS_CHECK(device_->enter());
        return cuda::quadraticForm(*device_, products_, a, sigma);
    }

    Result<TensorBlock> borrow(ConstMatrixView from) override {
        Tensor copy;
        QS_CHECK(upload(from, copy));
        return TensorBlock(copy);
    }

    Result<void> copy(const TensorBlock& from, const TensorBlock& to) override {
        QS_CHECK(shapes::checkBlocks("copy", from, to));
        QS_CHECK(beginBlocks("copy", {&from, &to}));
        if (data(from) == data(to) || from.rows * from.cols == 0) return {};
        return check("copy", cudaMemcpyAsync(data(to), data(from), from.rows * from.cols * sizeof(float),
                                             cudaMemcpyDeviceToDevice, device_->stream()));
    }

    Result<void> groupRanges(const Tensor& x, size_t groupSize, MatrixView low, MatrixView high) override {
        QS_CHECK(shapes::checkGroupRanges(x, groupSize, low, high));
        QS_CHECK(begin("groupRanges", {&x}));
        return cuda::groupRanges(*device_, viewOf(x), groupSize, low, high);
    }

    Result<std::unique_ptr<UpperFactor>> upperFactor(const MatrixD& sigma, std::span<const uint32_t> order,
                                                     std::span<const double> diagonal) override {
        QS_CHECK(shapes::checkFactor(sigma, order, diagonal));
        QS_CHECK(device_->enter());
        return cuda::upperFactor(*device_, products_, sigma, order, diagonal);
    }

    Result<void> gatherColumns(const TensorBlock& x, std::span<const uint32_t> columns,
                               const TensorBlock& out) override {
        QS_CHECK(shapes::checkColumnList(x, columns, out));
        QS_CHECK(beginBlocks("gatherColumns", {&x, &out}));
        return cuda::gatherColumns(*device_, x, columns, out);
    }

    Result<void> columnRanges(const TensorBlock& x, std::span<float> low, std::span<float> high) override {
        QS_CHECK(shapes::checkRanges(x, low, high));
        QS_CHECK(beginBlocks("columnRanges", {&x}));
        return cuda::columnRanges(*device_, x, low, high);
    }

    Result<void> addProduct(float alpha, const TensorBlock& c, const TensorBlock& a,
                            const TensorBlock& b) override {
        QS_CHECK(shapes::checkProduct(c, a, b));
        QS_CHECK(device_->enter());
        return cuda::addProduct(products_, alpha, data(c), c.stride, viewOf(a), viewOf(b));
    }

    Result<void> gptqColumnBlock(const ColumnBlock& block) override {
        QS_CHECK(shapes::checkColumns(block));
        QS_CHECK(device_->enter());
        return cuda::gptqColumnBlock(*device_, products_, block);
    }

    Result<CodeTensor> allocateCodes(size_t rows, size_t cols) override {
        CodeTensor codes;
        QS_CHECK(makeCodes(rows, cols, codes));
        return codes;
    }

    Result<void> uploadCodes(MatrixViewT<const uint8_t> from, CodeTensor& to) override {
        QS_CHECK(makeCodes(from.rows, from.cols, to));
        return device_->upload(*memoryOf(to), from.rows, from.cols, 1,
                               [&](size_t row, size_t first, size_t count, void* staging) {
                                   std::memcpy(staging, from.row(row) + first, count);
                               });
    }

    Result<void> downloadCodes(const CodeTensor& from, MatrixViewT<uint8_t> to) override {
        QS_CHECK(shapes::checkCodeCopy("downloadCodes", from, to.rows, to.cols));
        QS_CHECK(device_->enter());
        return device_->download(data(from), to.rows, to.cols, 1,
                                 [&](size_t row, size_t first, size_t count, const void* staging) {
                                     std::memcpy(to.row(row) + first, staging, count);
                                 });
    }

    Result<void> downloadTransposed(const CodeTensor& from, MatrixViewT<uint8_t> to) override {
        QS_CHECK(shapes::checkTransposed(from, to.rows, to.cols));
        QS_CHECK(device_->enter());
        return cuda::downloadTransposed(*device_, from, to);
    }

    Result<void> roundToGrid(const Tensor& x, const CodeGrid& grid, const CodeGroups& groups,
                             CodeTensor& codes, Tensor* values) override {
        QS_CHECK(shapes::checkRound(x, grid, groups, values));
        QS_CHECK(begin("roundToGrid", {&x, &groups.scale, &groups.zero, values}));
        QS_CHECK(makeCodes(x.rows, x.cols, codes));
        return cuda::roundToGrid(*device_, viewOf(x), grid, tableOf(groups), data(codes),
                                 values ? data(*values) : nullptr);
    }

    Result<void> decodeCodes(const CodeTensor& codes, const CodeGrid& grid, const CodeGroups& groups,
                             Tensor& values) override {
        QS_CHECK(shapes::checkDecode(codes, grid, groups, values));
        QS_CHECK(begin("decodeCodes", {&groups.scale, &groups.zero, &values}));
        return cuda::decodeCodes(*device_, data(codes), grid, tableOf(groups), viewOf(values));
    }

    Result<ColumnSums> columnSums(const Tensor& x, std::span<const float> shift) override {
        QS_CHECK(shapes::checkShift(x, shift));
        QS_CHECK(begin("columnSums", {&x}));
        return cuda::columnSums(*device_, viewOf(x), shift);
    }

    Result<ValueCounts> countValues(const Tensor& x, double lo, double hi, size_t bins) override {
        QS_CHECK(shapes::checkBins(lo, hi, bins));
        QS_CHECK(begin("countValues", {&x}));
        return cuda::countValues(*device_, viewOf(x), lo, hi, bins);
    }

    Result<KMeansStep> kMeansStep(const Tensor& points, const Tensor* weights,
                                  ConstMatrixView centers) override {
        QS_CHECK(shapes::checkKMeans(points, weights, centers));
        QS_CHECK(begin("kMeansStep", {&points, weights}));
        return cuda::kMeansStep(*device_, viewOf(points), weights ? data(*weights) : nullptr, centers);
    }

    Result<void> rotateRows(Tensor& x, std::span<const float> signs, const MatrixD& orthogonal,
                            bool back) override {
        QS_CHECK(shapes::checkRotation(x, signs, orthogonal));
        QS_CHECK(begin("rotateRows", {&x}));
        return cuda::rotateRows(*device_, viewOf(x), signs, orthogonal, back);
    }

private:
    Result<void> check(const char* operation, cudaError_t status) {
        return device_->check(status, operation);
    }

    /// Before each operation: the device works, and its tensors (null: none) are float32.
    Result<void> begin(const char* operation, std::initializer_list<const Tensor*> tensors) {
        for (const Tensor* t : tensors)
            if (t && isHalf(*t))
                return shapes::error(operation, "weights in bf16 are for linear alone", shapes::text(*t));
        return device_->enter();
    }

    Result<void> beginBlocks(const char* operation, std::initializer_list<const TensorBlock*> blocks) {
        for (const TensorBlock* b : blocks)
            if (isHalf(*b))
                return shapes::error(operation, "weights in bf16 are for linear alone", shapes::text(*b));
        return device_->enter();
    }

    /// Not initialized.
    Result<Tensor> take(size_t rows, size_t cols, size_t valueBytes) {
        if (cols != 0 && rows > SIZE_MAX / sizeof(float) / cols)
            return Error{ErrorCode::OutOfMemory, fmt::format("[{}, {}] floats do not fit", rows, cols), {}};
        QS_CHECK(device_->enter());
        auto memory = device_->take(rows * cols * valueBytes);
        if (!memory) return memory.takeError().at(fmt::format("[{}, {}] floats", rows, cols));
        return Tensor{std::make_shared<DeviceMatrix>(std::move(*memory), valueBytes != sizeof(float)), rows,
                      cols};
    }

    /// Codes of this shape, not initialized; the old memory where it fits.
    Result<void> makeCodes(size_t rows, size_t cols, CodeTensor& codes) {
        QS_CHECK(device_->enter());
        if (codes.buffer && codes.rows == rows && codes.cols == cols) return {};
        if (cols != 0 && rows > SIZE_MAX / cols)
            return Error{ErrorCode::OutOfMemory, fmt::format("[{}, {}] codes do not fit", rows, cols), {}};
        auto memory = device_->take(rows * cols);
        if (!memory) return memory.takeError().at(fmt::format("[{}, {}] codes", rows, cols));
        codes = {std::make_shared<DeviceCodes>(std::move(*memory)), rows, cols};
        return {};
    }

    int index_;
    std::shared_ptr<Device> device_;
    Products products_;
    Precision precision_;
};

} // namespace

Result<std::unique_ptr<Backend>> makeCudaBackend(int index, Precision precision) {
    QS_TRY(const int count, cuda::deviceCount());
    if (index < 0 || index >= count)
        return Error{ErrorCode::Backend,
                     fmt::format("there is no such device; this machine has {}: cuda:0{}", count,
                                 count > 1 ? fmt::format(" to cuda:{}", count - 1) : ""),
                     fmt::format("cuda:{}", index)};
    QS_CHECK(cuda::checkUsable(index));
    QS_TRY(auto device, Device::open(index));
    return std::unique_ptr<Backend>(std::make_unique<CudaBackend>(index, std::move(device), precision));
}

} // namespace qs
