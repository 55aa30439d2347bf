// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/products.h"

#include "core/backend/cuda/tiles.h"
#include "core/linalg/second_moment.h"

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

Result<std::shared_ptr<Memory>> uploaded(Device& device, ConstMatrixView m) {
    QS_TRY(auto memory, device.take(m.size() * sizeof(float)));
    QS_CHECK(device.upload(*memory, m.rows, m.cols, sizeof(float), rowsOf(m)));
    return memory;
}

constexpr size_t kChunk = 2048; // float32 sums over more rows lose digits

/// part [count, cols - first] = rows [first, first + count) of x^T x from column `first` on, over the chunk
/// of rows from `begin` on.
Result<void> multiplyPanel(Products& products, const Samples& s, size_t begin, size_t first, size_t count,
                           float* part) {
    const size_t at = begin * s.cols + first, width = s.cols - first;
    Product p{.transposeA = true, .m = count, .n = width, .k = std::min(kChunk, s.rows - begin)};
    p.a = p.b = s.x + at;
    p.strideA = p.strideB = s.cols;
    p.c = part;
    p.strideC = width;
    if (!s.rounded) return products.multiply(p);
    p.typeA = p.typeB = Stored::Rounded;
    const uint16_t* half = s.half ? s.half + at : nullptr;
    return products.multiplyRounded(p, half, half);
}

/// Onto sigma in host memory.
Result<void> addPanel(Device& device, Products& products, const Samples& s, size_t first, size_t count,
                      MatrixD& sigma) {
    const size_t width = s.cols - first, n = count * width;
    QS_TRY(const auto part, device.take(n * sizeof(float)));
    std::shared_ptr<Memory> sum;
    if (s.rows > kChunk) {
        QS_TRY(sum, device.take(n * sizeof(double)));
    }
    for (size_t begin = 0; begin < s.rows; begin += kChunk) {
        QS_CHECK(multiplyPanel(products, s, begin, first, count, part->as<float>()));
        if (sum)
            QS_CHECK(device.check(
                addToDouble(sum->as<double>(), part->as<float>(), n, begin == 0, device.stream()),
                "secondMoment"));
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

/// Onto sigma [cols, cols] in device memory; also below the diagonal of the panel's own columns.
Result<void> addPanel(Device& device, Products& products, const Samples& s, size_t first, size_t count,
                      double* sigma) {
    const size_t width = s.cols - first;
    QS_TRY(const auto part, device.take(count * width * sizeof(float)));
    for (size_t begin = 0; begin < s.rows; begin += kChunk) {
        QS_CHECK(multiplyPanel(products, s, begin, first, count, part->as<float>()));
        QS_CHECK(device.check(addRowsToDouble(sigma + first * s.cols + first, s.cols, part->as<float>(),
                                              count, width, device.stream()),
                              "secondMoment"));
    }
    return {};
}

/// By panels of rows of `sigma` (a MatrixD, or device memory), smaller ones where memory is short.
template<class Sigma>
Result<void> addToSigma(Device& device, Products& products, const Samples& samples, Sigma& sigma) {
    constexpr size_t kPanel = 1024, kLeast = 64;
    size_t panel = kPanel; // what was enough memory once is tried first the next time
    for (size_t first = 0; first < samples.cols && samples.rows > 0;) {
        size_t count = 0;
        QS_CHECK(withSmallerTiles(panel, kLeast, [&](size_t size) {
            panel = size;
            count = std::min(size, samples.cols - first);
            return addPanel(device, products, samples, first, count, sigma);
        }));
        first += count;
    }
    return {};
}

} // namespace

Result<void> DeviceSecondMoment::begin() {
    // A block's sums are many, one for each expert: what they leave has to do for the pass that fills them.
    const size_t bytes = channels_ * channels_ * sizeof(double), free = device_.memory().first;
    if (bytes > free / 2) {
        device_.noteShortage(
            fmt::format("cuda:{}: second moments of {} channels are summed in main memory, which "
                        "takes longer: they would take more than half of what is free",
                        device_.index(), channels_));
        host_ = MatrixD(channels_, channels_);
        return {};
    }
    QS_TRY(sigma_, device_.take(bytes));
    return device_.check(cudaMemsetAsync(sigma_->as<double>(), 0, bytes, device_.stream()), "secondMoment");
}

Result<void> DeviceSecondMoment::add(const float* x, size_t rows) {
    QS_CHECK(device_.enter());
    Samples samples{x, nullptr, rows, channels_, precision_ == Precision::BF16};
    std::shared_ptr<Memory> half;
    if (samples.rounded && rows > 0) {
        QS_TRY(half, products_.halves(x, rows * channels_));
        if (half) samples.half = half->as<uint16_t>();
    }
    if (!sigma_) return addToSigma(device_, products_, samples, host_);
    double* sigma = sigma_->as<double>();
    return addToSigma(device_, products_, samples, sigma);
}

Result<MatrixD> DeviceSecondMoment::take() {
    QS_CHECK(device_.enter());
    if (!sigma_) {
        linalg::mirrorUpper(host_.view());
        return std::move(host_);
    }
    double* from = sigma_->as<double>();
    QS_CHECK(device_.check(mirrorUpper(from, channels_, device_.stream()), "secondMoment"));
    MatrixD out(channels_, channels_);
    QS_CHECK(device_.download(from, channels_, channels_, sizeof(double),
                              [&](size_t row, size_t first, size_t count, const void* values) {
                                  std::memcpy(out.row(row) + first, values, count * sizeof(double));
                              }));
    return out;
}

namespace {

/// *sum += what rows [first, first + count) of Sigma weigh of a^T a.
Result<void> weighPanel(Device& device, Products& products, const Samples& a, size_t first, size_t count,
                        const MatrixD& sigma, double* sum) {
    const size_t width = a.cols - first;
    QS_TRY(const auto part, device.take(count * width * sizeof(float)));
    QS_TRY(const auto weights, device.take(count * width * sizeof(double)));
    QS_CHECK(device.upload(
        *weights, count, width, sizeof(double), [&](size_t row, size_t column, size_t columns, void* to) {
            std::memcpy(to, sigma.row(first + row) + first + column, columns * sizeof(double));
        }));
    for (size_t begin = 0; begin < a.rows; begin += kChunk) {
        QS_CHECK(multiplyPanel(products, a, begin, first, count, part->as<float>()));
        QS_CHECK(device.check(
            addWeighed(sum, weights->as<double>(), part->as<float>(), count, width, device.stream()),
            "quadraticForm"));
    }
    return {};
}

} // namespace

Result<double> quadraticForm(Device& device, Products& products, ConstMatrixView a, const MatrixD& sigma) {
    constexpr size_t kPanel = 1024, kLeast = 16;
    if (a.size() == 0) return 0.0;
    QS_TRY(const auto values, uploaded(device, a));
    QS_TRY(const auto sum, device.take(sizeof(double)));
    QS_CHECK(device.check(cudaMemsetAsync(sum->as<double>(), 0, sizeof(double), device.stream()),
                          "quadraticForm"));
    const Samples samples{values->as<float>(), nullptr, a.rows, a.cols, false};
    size_t panel = kPanel;
    for (size_t first = 0; first < a.cols;) {
        size_t count = 0;
        QS_CHECK(withSmallerTiles(panel, kLeast, [&](size_t size) {
            panel = size;
            count = std::min(size, a.cols - first);
            return weighPanel(device, products, samples, first, count, sigma, sum->as<double>());
        }));
        first += count;
    }
    double out = 0;
    QS_CHECK(device.download(
        sum->as<double>(), 1, 1, sizeof(double),
        [&](size_t, size_t, size_t, const void* value) { std::memcpy(&out, value, sizeof out); }));
    return out;
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

} // namespace qs::cuda
