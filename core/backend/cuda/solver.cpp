// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/solver.h"

#include "core/backend/shapes.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace qs::cuda {

namespace {

/// The rows and columns below a factored block: h -= l l^T, by panels of rows up to the diagonal.
Result<void> updateTrailing(Products& products, double* h, size_t n, size_t first) {
    constexpr size_t kPanel = 1024;
    const size_t begin = first + kCholeskyBlock;
    for (size_t row = begin; row < n; row += kPanel) {
        Product p{.transposeB = true, .m = std::min(kPanel, n - row), .k = kCholeskyBlock};
        p.n = row + p.m - begin;
        p.alpha = -1;
        p.beta = 1;
        p.a = h + row * n + first;
        p.b = h + begin * n + first;
        p.strideA = p.strideB = p.strideC = n;
        p.typeA = p.typeB = Stored::F64;
        p.c = h + row * n + begin;
        QS_CHECK(products.multiply(p));
    }
    return {};
}

/// Lower factor of the device matrix h [n, n] in place; the 1-based pivot that failed, or 0.
Result<int> choleskyLower(Device& device, Products& products, double* h, size_t n) {
    QS_TRY(const auto failed, device.take(sizeof(int)));
    QS_CHECK(device.check(cudaMemsetAsync(failed->as<int>(), 0, sizeof(int), device.stream()), "cholesky"));
    for (size_t first = 0; first < n; first += kCholeskyBlock) {
        QS_CHECK(
            device.check(choleskyBlock(h, n, first, failed->as<int>(), device.stream()), "choleskyBlock"));
        if (first + kCholeskyBlock < n) QS_CHECK(updateTrailing(products, h, n, first));
    }
    int pivot = 0;
    QS_CHECK(
        device.download(failed->as<int>(), 1, 1, sizeof(int), [&](size_t, size_t, size_t, const void* value) {
            std::memcpy(&pivot, value, sizeof pivot);
        }));
    return pivot;
}

/// H of Backend::upperFactor in device memory, put in order on the way.
Result<std::shared_ptr<Memory>> orderedOnDevice(Device& device, const MatrixD& sigma,
                                                std::span<const uint32_t> order,
                                                std::span<const double> diagonal) {
    const size_t n = sigma.rows();
    QS_TRY(auto memory, device.take(n * n * sizeof(double)));
    QS_CHECK(
        device.upload(*memory, n, n, sizeof(double), [&](size_t row, size_t first, size_t count, void* to) {
            double* out = static_cast<double*>(to);
            const double* from = sigma.row(order[row]);
            for (size_t i = 0; i < count; ++i)
                out[i] = first + i == row ? diagonal[row] : from[order[first + i]];
        }));
    return memory;
}

class DeviceFactor final : public UpperFactor {
public:
    DeviceFactor(Device& device, std::shared_ptr<Memory> r, size_t n)
        : device_(device), r_(std::move(r)), n_(n) {}

    Result<Tensor> values() override {
        QS_CHECK(device_.enter());
        QS_TRY(auto memory, device_.take(n_ * n_ * sizeof(float)));
        QS_CHECK(device_.check(toFloat(r_->as<double>(), memory->as<float>(), n_ * n_, device_.stream()),
                               "upperFactor"));
        return Tensor{std::make_shared<DeviceMatrix>(std::move(memory), false), n_, n_};
    }

    Result<MatrixD> block(size_t first, size_t count) override {
        QS_CHECK(shapes::checkBlock(first, count, n_));
        QS_CHECK(device_.enter());
        QS_TRY(const auto memory, device_.take(count * count * sizeof(double)));
        QS_CHECK(device_.check(
            copyBlock(r_->as<double>(), n_, first, count, memory->as<double>(), device_.stream()),
            "upperFactor"));
        MatrixD out(count, count);
        QS_CHECK(device_.download(memory->as<double>(), count, count, sizeof(double),
                                  [&](size_t row, size_t column, size_t columns, const void* values) {
                                      std::memcpy(out.row(row) + column, values, columns * sizeof(double));
                                  }));
        return out;
    }

private:
    Device& device_;
    std::shared_ptr<Memory> r_;
    size_t n_;
};

} // namespace

// With the order of rows and columns reversed, H = R R^T is an ordinary Cholesky factorization.
Result<std::unique_ptr<UpperFactor>> upperFactor(Device& device, Products& products, const MatrixD& sigma,
                                                 std::span<const uint32_t> order,
                                                 std::span<const double> diagonal) {
    const size_t n = sigma.rows();
    QS_TRY(auto memory, orderedOnDevice(device, sigma, order, diagonal));
    double* data = memory->as<double>();
    QS_CHECK(device.check(reverse(data, n, device.stream()), "reverse"));
    QS_TRY(const int pivot, choleskyLower(device, products, data, n));
    if (pivot != 0)
        return Error{ErrorCode::Backend,
                     fmt::format("the matrix is not positive definite (pivot {} of {})", pivot, n),
                     {}};
    QS_CHECK(device.check(clearUpper(data, n, device.stream()), "clearUpper"));
    QS_CHECK(device.check(reverse(data, n, device.stream()), "reverse"));
    return std::unique_ptr<UpperFactor>(std::make_unique<DeviceFactor>(device, std::move(memory), n));
}

Result<void> addProduct(Products& products, float alpha, float* c, size_t strideC, DeviceBlock a,
                        DeviceBlock b) {
    if (a.cols == 0 || b.cols == 0 || a.rows == 0) return {};
    Product p{.transposeA = true, .m = a.cols, .n = b.cols, .k = a.rows};
    p.alpha = double(alpha);
    p.beta = 1;
    p.a = a.data;
    p.b = b.data;
    p.c = c;
    p.strideA = a.stride;
    p.strideB = b.stride;
    p.strideC = strideC;
    return products.multiply(p);
}

namespace {

/// More columns than one kernel takes: those behind columns [first, first + count) hear of their errors.
Result<void> updateLater(Products& products, const GptqBlock& b, size_t first, size_t count, size_t columns) {
    const size_t rest = first + count;
    return addProduct(products, -1, b.weight + rest * b.rows, b.rows,
                      {b.factor + first * b.factorStride + rest, count, columns - rest, b.factorStride},
                      {b.error + first * b.rows, count, b.rows, b.rows});
}

Result<void> solveColumns(Device& device, Products& products, const GptqBlock& all) {
    for (size_t first = 0; first < all.n; first += kGptqColumns) {
        GptqBlock b = all;
        const size_t at = first * all.rows;
        b.n = std::min(kGptqColumns, all.n - first);
        b.factor += first * all.factorStride + first;
        for (float** m : {&b.weight, &b.error, &b.change})
            *m += at;
        b.original += at;
        b.scale += first * all.parameterStride;
        b.zero += first * all.parameterStride;
        b.codes += at;
        QS_CHECK(device.check(gptqColumnBlock(b, device.stream()), "gptqColumnBlock"));
        if (first + b.n < all.n) QS_CHECK(updateLater(products, all, first, b.n, all.n));
    }
    return {};
}

} // namespace

Result<void> gptqColumnBlock(Device& device, Products& products, const ColumnBlock& block) {
    const size_t rows = block.weight.cols;
    if (block.weight.rows == 0 || rows == 0) return {};
    GptqBlock b{};
    b.weight = data(block.weight);
    b.original = data(block.original);
    b.error = data(block.error);
    b.change = data(block.change);
    b.factor = data(block.factor);
    b.scale = data(block.scale);
    b.zero = data(block.zero);
    b.codes = data(block.codes) + block.firstCode * rows;
    b.n = block.weight.rows;
    b.rows = rows;
    b.factorStride = block.factor.stride;
    b.parameterStride = block.scale.stride == 0 ? 0 : rows;
    b.maxCode = block.maxCode;
    return solveColumns(device, products, b);
}

Result<void> gatherColumns(Device& device, const TensorBlock& x, std::span<const uint32_t> columns,
                           const TensorBlock& out) {
    QS_TRY(const auto list, uploaded(device, columns));
    return device.check(gatherColumns(data(x), x.stride, x.rows, list->as<uint32_t>(), columns.size(),
                                      data(out), device.stream()),
                        "gatherColumns");
}

Result<void> columnRanges(Device& device, const TensorBlock& x, std::span<float> low, std::span<float> high) {
    const size_t n = x.cols;
    QS_TRY(const auto both, device.take(2 * n * sizeof(float)));
    float* values = both->as<float>();
    QS_CHECK(
        device.check(columnRanges(data(x), x.rows, n, values, values + n, device.stream()), "columnRanges"));
    return device.download(
        values, 2, n, sizeof(float), [&](size_t row, size_t first, size_t count, const void* from) {
            std::memcpy((row == 0 ? low : high).data() + first, from, count * sizeof(float));
        });
}

Result<void> downloadTransposed(Device& device, const CodeTensor& from, MatrixViewT<uint8_t> to) {
    QS_TRY(const auto turned, device.take(to.size()));
    uint8_t* codes = turned->as<uint8_t>();
    QS_CHECK(device.check(transposeCodes(data(from), to.cols, to.rows, codes, device.stream()),
                          "downloadTransposed"));
    return device.download(codes, to.rows, to.cols, 1,
                           [&](size_t row, size_t first, size_t count, const void* values) {
                               std::memcpy(to.row(row) + first, values, count);
                           });
}

} // namespace qs::cuda
