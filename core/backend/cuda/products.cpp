// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/products.h"

#include "core/backend/cuda/tiles.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace qs::cuda {

Products::Products(std::shared_ptr<Device> device) : device_(std::move(device)) {
    auto cublas = Cublas::open(device_->stream());
    if (cublas)
        cublas_ = std::move(*cublas);
    else
        problem_ = cublas.error().describe();
}

std::string Products::description() const {
    return cublas_ ? cublas_->description() : "own kernels: " + problem_;
}

Result<void> Products::multiply(const Product& p) {
    if (cublas_) {
        QS_TRY(const bool done, cublas_->product(p));
        if (done) return {};
    }
    return device_->check(product(p, device_->stream()), "product");
}

Result<void> Products::multiplyRounded(const Product& p, const void* halfA, const void* halfB) {
    if (cublas_ && halfA && halfB) {
        Product half = p;
        half.a = halfA;
        half.b = halfB;
        half.typeA = half.typeB = Stored::Bf16;
        QS_TRY(const bool done, cublas_->product(half));
        if (done) return {};
    }
    return device_->check(product(p, device_->stream()), "product");
}

Result<std::shared_ptr<Memory>> Products::halves(const float* x, size_t count) {
    if (!cublas_) return std::shared_ptr<Memory>();
    auto memory = device_->take(count * sizeof(uint16_t));
    if (!memory) {
        if (memory.error().code == ErrorCode::OutOfMemory) return std::shared_ptr<Memory>();
        return memory.takeError();
    }
    QS_CHECK(device_->check(toBf16(x, (*memory)->as<uint16_t>(), count, device_->stream()), "toBf16"));
    return memory;
}

namespace {

/// x [rows, cols] in device memory, and its bfloat16 values or null.
struct Samples {
    const float* x;
    const uint16_t* half;
    size_t rows, cols;
    bool rounded;
};

/// Rows [first, first + count) of sigma, right of the diagonal.
Result<void> addSigmaPanel(Device& device, Products& products, const Samples& s, size_t first, size_t count,
                           MatrixD& sigma) {
    constexpr size_t kChunk = 2048; // float32 sums over more rows lose digits
    const size_t width = s.cols - first, n = count * width;
    QS_TRY(const auto part, device.take(n * sizeof(float)));
    std::shared_ptr<Memory> sum;
    if (s.rows > kChunk) {
        QS_TRY(sum, device.take(n * sizeof(double)));
    }
    for (size_t begin = 0; begin < s.rows; begin += kChunk) {
        const size_t at = begin * s.cols + first;
        Product p{.transposeA = true, .m = count, .n = width, .k = std::min(kChunk, s.rows - begin)};
        p.a = p.b = s.x + at;
        p.strideA = p.strideB = s.cols;
        p.c = part->as<float>();
        p.strideC = width;
        if (s.rounded) {
            p.typeA = p.typeB = Stored::Rounded;
            const uint16_t* half = s.half ? s.half + at : nullptr;
            QS_CHECK(products.multiplyRounded(p, half, half));
        } else {
            QS_CHECK(products.multiply(p));
        }
        if (sum)
            QS_CHECK(device.check(
                addToDouble(sum->as<double>(), part->as<float>(), n, begin == 0, device.stream()),
                "accumulateSigma"));
    }
    const auto add = [&](size_t row, size_t column, size_t columns, auto* values) {
        double* to = sigma.row(first + row) + first;
        for (size_t c = std::max(row, column); c < column + columns; ++c)
            to[c] += double(values[c - column]);
    };
    if (sum)
        return device.download(sum->as<double>(), count, width, sizeof(double),
                               [&](size_t row, size_t column, size_t columns, const void* values) {
                                   add(row, column, columns, static_cast<const double*>(values));
                               });
    return device.download(part->as<float>(), count, width, sizeof(float),
                           [&](size_t row, size_t column, size_t columns, const void* values) {
                               add(row, column, columns, static_cast<const float*>(values));
                           });
}

} // namespace

Result<void> accumulateSigma(Device& device, Products& products, const float* x, size_t rows,
                             Precision precision, MatrixD& sigma) {
    const size_t n = sigma.rows();
    Samples samples{x, nullptr, rows, n, precision == Precision::BF16};
    std::shared_ptr<Memory> half;
    if (samples.rounded && rows > 0) {
        QS_TRY(half, products.halves(x, rows * n));
        if (half) samples.half = half->as<uint16_t>();
    }
    constexpr size_t kPanel = 1024, kLeast = 64;
    size_t panel = kPanel; // what was enough memory once is tried first the next time
    for (size_t first = 0; first < n && rows > 0;) {
        size_t count = 0;
        QS_CHECK(withSmallerTiles(panel, kLeast, [&](size_t size) {
            panel = size;
            count = std::min(size, n - first);
            return addSigmaPanel(device, products, samples, first, count, sigma);
        }));
        first += count;
    }
    return {};
}

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

} // namespace

// With the order of rows and columns reversed, H = R R^T is an ordinary Cholesky factorization.
Result<MatrixD> upperFactor(Device& device, Products& products, MatrixD h) {
    const size_t n = h.rows();
    if (n == 0) return h;
    QS_TRY(const auto memory, device.take(n * n * sizeof(double)));
    QS_CHECK(
        device.upload(*memory, n, n, sizeof(double), [&](size_t row, size_t first, size_t count, void* to) {
            std::memcpy(to, h.row(row) + first, count * sizeof(double));
        }));
    double* data = memory->as<double>();
    QS_CHECK(device.check(reverse(data, n, device.stream()), "reverse"));
    QS_TRY(const int pivot, choleskyLower(device, products, data, n));
    if (pivot != 0)
        return Error{ErrorCode::Backend,
                     fmt::format("the matrix is not positive definite (pivot {} of {})", pivot, n),
                     {}};
    QS_CHECK(device.check(clearUpper(data, n, device.stream()), "clearUpper"));
    QS_CHECK(device.check(reverse(data, n, device.stream()), "reverse"));
    QS_CHECK(device.download(data, n, n, sizeof(double),
                             [&](size_t row, size_t first, size_t count, const void* from) {
                                 std::memcpy(h.row(row) + first, from, count * sizeof(double));
                             }));
    return h;
}

Device::Fill rowsOf(ConstMatrixView m) {
    return [m](size_t row, size_t first, size_t count, void* to) {
        std::memcpy(to, m.row(row) + first, count * sizeof(float));
    };
}

Device::Drain rowsInto(MatrixView m) {
    return [m](size_t row, size_t first, size_t count, const void* from) {
        std::memcpy(m.row(row) + first, from, count * sizeof(float));
    };
}

namespace {

Result<std::shared_ptr<Memory>> uploaded(Device& device, ConstMatrixView m) {
    QS_TRY(auto memory, device.take(m.size() * sizeof(float)));
    QS_CHECK(device.upload(*memory, m.rows, m.cols, sizeof(float), rowsOf(m)));
    return memory;
}

} // namespace

// By tiles of the rows of c: c itself, the largest of the three, is never whole on the device.
Result<void> addProduct(Device& device, Products& products, float alpha, MatrixView c, ConstMatrixView a,
                        ConstMatrixView b) {
    constexpr size_t kTileBytes = size_t(128) << 20;
    if (c.size() == 0 || a.rows == 0) return {};
    QS_TRY(const auto left, uploaded(device, a));
    QS_TRY(const auto right, uploaded(device, b));
    size_t tile = std::clamp<size_t>(kTileBytes / sizeof(float) / c.cols, 1, c.rows);
    for (size_t first = 0; first < c.rows;) {
        size_t rows = 0;
        QS_CHECK(withSmallerTiles(tile, 1, [&](size_t size) -> Result<void> {
            tile = size;
            rows = std::min(size, c.rows - first);
            const MatrixView part = c.block(first, rows, 0, c.cols);
            QS_TRY(const auto memory, uploaded(device, part));
            Product p{.transposeA = true, .m = rows, .n = c.cols, .k = a.rows};
            p.alpha = double(alpha);
            p.beta = 1;
            p.a = left->as<float>() + first;
            p.b = right->as<float>();
            p.c = memory->as<float>();
            p.strideA = a.cols;
            p.strideB = p.strideC = c.cols;
            QS_CHECK(products.multiply(p));
            return device.download(memory->as<float>(), rows, c.cols, sizeof(float), rowsInto(part));
        }));
        first += rows;
    }
    return {};
}

namespace {

/// More columns than one kernel takes: those behind columns [first, first + count) hear of their errors.
Result<void> updateLater(Products& products, const GptqBlock& b, size_t first, size_t count, size_t columns) {
    const size_t rest = first + count;
    Product p{.transposeA = true, .m = columns - rest, .n = b.rows, .k = count};
    p.alpha = -1;
    p.beta = 1;
    p.a = b.factor + first * b.factorStride + rest;
    p.b = b.error + first * b.rows;
    p.c = b.weight + rest * b.rows;
    p.strideA = b.factorStride;
    p.strideB = p.strideC = b.rows;
    return products.multiply(p);
}

Result<void> solveColumns(Device& device, Products& products, const GptqBlock& all) {
    for (size_t first = 0; first < all.n; first += kGptqColumns) {
        GptqBlock b = all;
        const size_t at = first * all.rows;
        b.n = std::min(kGptqColumns, all.n - first);
        b.factor += first * all.factorStride + first;
        for (float** m : {&b.weight, &b.error, &b.dequantized})
            *m += at;
        b.scale += at;
        b.zero += at;
        b.codes += at;
        QS_CHECK(device.check(gptqColumnBlock(b, device.stream()), "gptqColumnBlock"));
        if (first + b.n < all.n) QS_CHECK(updateLater(products, all, first, b.n, all.n));
    }
    return {};
}

} // namespace

Result<void> gptqColumnBlock(Device& device, Products& products, const ColumnBlock& block) {
    const size_t n = block.weight.rows, rows = block.weight.cols;
    if (n == 0 || rows == 0) return {};
    QS_TRY(const auto weight, uploaded(device, block.weight));
    QS_TRY(const auto factor, uploaded(device, block.factor));
    QS_TRY(const auto scale, uploaded(device, block.scale));
    QS_TRY(const auto zero, uploaded(device, block.zero));
    QS_TRY(const auto error, device.take(n * rows * sizeof(float)));
    QS_TRY(const auto dequantized, device.take(n * rows * sizeof(float)));
    QS_TRY(const auto codes, device.take(n * rows));
    const GptqBlock b{weight->as<float>(),
                      error->as<float>(),
                      dequantized->as<float>(),
                      factor->as<float>(),
                      scale->as<float>(),
                      zero->as<float>(),
                      codes->as<uint8_t>(),
                      n,
                      rows,
                      n,
                      block.maxCode};
    QS_CHECK(solveColumns(device, products, b));
    QS_CHECK(device.download(b.error, n, rows, sizeof(float), rowsInto(block.error)));
    QS_CHECK(device.download(b.dequantized, n, rows, sizeof(float), rowsInto(block.dequantized)));
    const MatrixViewT<uint8_t> to = block.codes;
    return device.download(b.codes, n, rows, 1,
                           [&](size_t row, size_t first, size_t count, const void* from) {
                               std::memcpy(to.row(row) + first, from, count);
                           });
}

} // namespace qs::cuda
