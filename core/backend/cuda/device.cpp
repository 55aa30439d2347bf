// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/device.h"

#include "core/linalg/parallel.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace qs::cuda {

namespace {

constexpr size_t kSmall = size_t(1) << 20, kSmallStep = 512, kLargeStep = size_t(2) << 20;

/// Sizes that come again: small ones in steps of 512 bytes, others of 2 MiB, the driver's own unit.
size_t rounded(size_t bytes) {
    const size_t step = bytes <= kSmall ? kSmallStep : kLargeStep;
    return std::max(step, (bytes + step - 1) / step * step);
}

double mebibytes(size_t bytes) {
    return double(bytes) / double(1 << 20);
}

} // namespace

Result<std::shared_ptr<Device>> Device::open(int index) {
    std::shared_ptr<Device> device(new Device(index));
    QS_CHECK(device->create());
    return device;
}

Result<void> Device::create() {
    QS_CHECK(check(cudaSetDevice(index_), "open"));
    cudaDeviceProp properties = {};
    QS_CHECK(check(cudaGetDeviceProperties(&properties, index_), "open"));
    name_ = fmt::format("{}, compute capability {}.{}", properties.name, properties.major, properties.minor);
    tensorCores_ = properties.major >= 8;
    QS_CHECK(check(cudaStreamCreateWithFlags(&compute_, cudaStreamNonBlocking), "open"));
    QS_CHECK(check(cudaStreamCreateWithFlags(&copy_, cudaStreamNonBlocking), "open"));
    QS_CHECK(check(cudaEventCreateWithFlags(&order_, cudaEventDisableTiming), "open"));
    for (Staging& s : stagings_) {
        QS_CHECK(check(cudaHostAlloc(&s.data, kStagingBytes, cudaHostAllocDefault), "open"));
        QS_CHECK(check(cudaEventCreateWithFlags(&s.done, cudaEventDisableTiming), "open"));
    }
    return {};
}

// Errors are of no use here: the device is given up.
Device::~Device() {
    cudaSetDevice(index_);
    if (compute_) cudaStreamSynchronize(compute_);
    if (copy_) cudaStreamSynchronize(copy_);
    trim();
    for (Staging& s : stagings_) {
        if (s.data) cudaFreeHost(s.data);
        if (s.done) cudaEventDestroy(s.done);
    }
    if (order_) cudaEventDestroy(order_);
    if (copy_) cudaStreamDestroy(copy_);
    if (compute_) cudaStreamDestroy(compute_);
    cudaGetLastError();
}

Result<void> Device::enter() {
    if (!lost_.empty()) return Error{ErrorCode::Backend, lost_, fmt::format("cuda:{}", index_)};
    return check(cudaSetDevice(index_), "enter");
}

Result<void> Device::check(cudaError_t status, const char* operation) {
    if (status == cudaSuccess && lost_.empty()) return {};
    if (status == cudaErrorMemoryAllocation && lost_.empty()) {
        cudaGetLastError(); // it does not stick
        trim();
        return noMemory(fmt::format("[{}] no memory for the operation itself", operation));
    }
    if (lost_.empty()) {
        cudaGetLastError();
        lost_ = fmt::format("[{}] the device failed: {} ({})", operation, cudaGetErrorString(status),
                            cudaGetErrorName(status));
    }
    return Error{ErrorCode::Backend, lost_, fmt::format("cuda:{}", index_)};
}

Error Device::noMemory(const std::string& what) {
    const Error e{ErrorCode::OutOfMemory, fmt::format("{}: {}", what, memoryText()),
                  fmt::format("cuda:{}", index_)};
    noteShortage(e.describe() + "; what can be done in smaller pieces was, and took longer");
    return e;
}

void Device::noteShortage(const std::string& what) {
    if (shortage_.empty()) shortage_ = what;
}

std::vector<std::string> Device::takeNotes() {
    std::vector<std::string> out;
    if (!shortage_.empty()) out.push_back(std::exchange(shortage_, {}));
    return out;
}

std::pair<size_t, size_t> Device::memory() const {
    size_t free = 0, total = 0;
    if (!lost_.empty() || cudaSetDevice(index_) != cudaSuccess ||
        cudaMemGetInfo(&free, &total) != cudaSuccess)
        return {0, 0};
    return {free, total};
}

std::string Device::memoryText() const {
    const auto [free, total] = memory();
    if (total == 0) return "the driver does not say how much is free";
    return fmt::format("{:.0f} of {:.0f} MiB are free, {:.0f} MiB are in use here", mebibytes(free),
                       mebibytes(total), mebibytes(usedBytes_));
}

Result<void> Device::allocate(size_t bytes, Block& block) {
    cudaError_t status = cudaMalloc(&block.data, bytes);
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError(); // it does not stick
        trim();
        status = cudaMalloc(&block.data, bytes);
    }
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        return noMemory(fmt::format("no device memory for {:.1f} MiB", mebibytes(bytes)));
    }
    QS_CHECK(check(status, "allocate"));
    block.bytes = bytes;
    return check(cudaEventCreateWithFlags(&block.released, cudaEventDisableTiming), "allocate");
}

Result<std::shared_ptr<Memory>> Device::take(size_t bytes) {
    if (bytes > SIZE_MAX - kLargeStep)
        return Error{ErrorCode::OutOfMemory, fmt::format("no device has {} bytes", bytes), {}};
    bytes = rounded(bytes);
    Block block;
    // A block that is a little too large will do; a much larger one is wanted elsewhere.
    const auto found = unused_.lower_bound(bytes);
    if (found != unused_.end() && found->first <= bytes + bytes / 8) {
        block = found->second;
        unused_.erase(found);
    } else {
        QS_CHECK(allocate(bytes, block));
    }
    usedBytes_ += block.bytes;
    return std::make_shared<Memory>(shared_from_this(), block);
}

// Kernels that were enqueued before may still use the block. Later kernels come after them anyway; uploads
// wait for the event.
void Device::give(Block block) {
    if (cudaSetDevice(index_) != cudaSuccess || cudaEventRecord(block.released, compute_) != cudaSuccess)
        cudaGetLastError(); // the next operation meets the error
    usedBytes_ -= block.bytes;
    unused_.emplace(block.bytes, block);
}

void Device::trim() {
    for (auto& [bytes, block] : unused_) {
        cudaFree(block.data); // waits for its users
        cudaEventDestroy(block.released);
    }
    unused_.clear();
}

Result<Device::Staging*> Device::nextStaging() {
    Staging& s = stagings_[nextStaging_++ % kStagings];
    QS_CHECK(check(cudaEventSynchronize(s.done), "copy"));
    return &s;
}

namespace {

/// Calls body(row, first, count, offset in bytes) on the pieces of rows that make up elements
/// [begin, begin + count) of a [rows, cols] matrix, in several threads: one alone copies more slowly than the
/// bus.
template<class Body>
void forEachPiece(size_t begin, size_t count, size_t cols, size_t elementBytes, const Body& body) {
    constexpr size_t kGrainBytes = size_t(512) << 10;
    const size_t firstRow = begin / cols, rows = (begin + count - 1) / cols - firstRow + 1;
    const size_t grain = std::max<size_t>(1, kGrainBytes / (cols * elementBytes));
    linalg::parallelFor(rows, grain, [&](size_t from, size_t to) {
        for (size_t row = firstRow + from; row < firstRow + to; ++row) {
            const size_t first = std::max(begin, row * cols), end = std::min(begin + count, (row + 1) * cols);
            body(row, first - row * cols, end - first, (first - begin) * elementBytes);
        }
    });
}

} // namespace

Result<void> Device::upload(Memory& to, size_t rows, size_t cols, size_t elementBytes, const Fill& fill,
                            size_t offset) {
    const size_t total = rows * cols, chunk = kStagingBytes / elementBytes;
    if (to.touched_) QS_CHECK(check(cudaEventRecord(order_, compute_), "upload"));
    QS_CHECK(check(cudaStreamWaitEvent(copy_, to.touched_ ? order_ : to.block_.released, 0), "upload"));
    for (size_t begin = 0; begin < total; begin += chunk) {
        const size_t count = std::min(chunk, total - begin);
        QS_TRY(Staging * staging, nextStaging());
        forEachPiece(begin, count, cols, elementBytes, [&](size_t row, size_t first, size_t n, size_t at) {
            fill(row, first, n, static_cast<char*>(staging->data) + at);
        });
        QS_CHECK(check(cudaMemcpyAsync(static_cast<char*>(to.block_.data) + offset + begin * elementBytes,
                                       staging->data, count * elementBytes, cudaMemcpyHostToDevice, copy_),
                       "upload"));
        QS_CHECK(check(cudaEventRecord(staging->done, copy_), "upload"));
    }
    QS_CHECK(check(cudaEventRecord(order_, copy_), "upload"));
    return check(cudaStreamWaitEvent(compute_, order_, 0), "upload");
}

// Copies run ahead of the draining as far as the staging memory carries.
Result<void> Device::download(const void* from, size_t rows, size_t cols, size_t elementBytes,
                              const Drain& drain) {
    const size_t total = rows * cols, chunk = kStagingBytes / elementBytes;
    std::array<Staging*, kStagings> ahead = {};
    size_t requested = 0, drained = 0;
    while (drained * chunk < total) {
        for (; requested * chunk < total && requested < drained + kStagings; ++requested) {
            QS_TRY(Staging * staging, nextStaging());
            const size_t begin = requested * chunk, count = std::min(chunk, total - begin);
            QS_CHECK(
                check(cudaMemcpyAsync(staging->data, static_cast<const char*>(from) + begin * elementBytes,
                                      count * elementBytes, cudaMemcpyDeviceToHost, compute_),
                      "download"));
            QS_CHECK(check(cudaEventRecord(staging->done, compute_), "download"));
            ahead[requested % kStagings] = staging;
        }
        const Staging* staging = ahead[drained % kStagings];
        QS_CHECK(check(cudaEventSynchronize(staging->done), "download"));
        const size_t begin = drained * chunk, count = std::min(chunk, total - begin);
        forEachPiece(begin, count, cols, elementBytes, [&](size_t row, size_t first, size_t n, size_t at) {
            drain(row, first, n, static_cast<const char*>(staging->data) + at);
        });
        ++drained;
    }
    return {};
}

} // namespace qs::cuda
