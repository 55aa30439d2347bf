// SPDX-License-Identifier: Apache-2.0
// One GPU: its two streams, its memory and its errors. Kernels run in the order of the compute stream;
// uploads go through pinned staging memory on a stream of their own, so that they overlap with kernels. Not
// thread-safe.
#pragma once

#include "core/base/result.h"

#include <array>
#include <cuda_runtime_api.h>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace qs::cuda {

/// A piece of device memory; `released` is recorded on the compute stream when its last user lets go.
struct Block {
    void* data = nullptr;
    size_t bytes = 0;
    cudaEvent_t released = nullptr;
};

class Memory;

class Device : public std::enable_shared_from_this<Device> {
public:
    /// Error::Backend with the reason when the device cannot be used.
    static Result<std::shared_ptr<Device>> open(int index);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    int index() const { return index_; }
    const std::string& name() const { return name_; }
    cudaStream_t stream() const { return compute_; }     ///< for kernels
    bool hasTensorCores() const { return tensorCores_; } ///< that multiply tf32: compute capability 8.0

    /// To be called before anything else is done: makes this the thread's device. Error::Backend when the
    /// device was lost.
    Result<void> enter();
    /// Error::OutOfMemory when a call found no memory, as a kernel that is loaded at its first launch may:
    /// nothing was done then. Error::Backend when it failed otherwise. Such an error is final: what runs
    /// after it cannot be trusted, and the driver answers every later call with it in most cases.
    Result<void> check(cudaError_t status, const char* operation);

    /// Bytes that are free, and all; 0 when the driver does not say.
    std::pair<size_t, size_t> memory() const;

    /// Says with the job that something went on without the device's memory, unless something is said
    /// already.
    void noteShortage(const std::string& what);
    /// For Backend::takeNotes: that memory ran short since the last call.
    std::vector<std::string> takeNotes();

    /// Not initialized. Unused memory of the pool is given back to the driver before Error::OutOfMemory,
    /// which names the sizes.
    Result<std::shared_ptr<Memory>> take(size_t bytes);

    /// Fills staging memory with `count` elements of the matrix's row `row`, from element `first` on; for
    /// different rows in several threads.
    using Fill = std::function<void(size_t row, size_t first, size_t count, void* staging)>;
    /// Takes `count` elements from staging memory; likewise.
    using Drain = std::function<void(size_t row, size_t first, size_t count, const void* staging)>;
    /// Host [rows, cols] to device, `offset` bytes from the memory's begin on, without gaps there. The host
    /// memory may change when this returns.
    Result<void> upload(Memory& to, size_t rows, size_t cols, size_t elementBytes, const Fill& fill,
                        size_t offset = 0);
    /// Device [rows, cols] from `from` on, without gaps, to the host; after all kernels so far.
    Result<void> download(const void* from, size_t rows, size_t cols, size_t elementBytes,
                          const Drain& drain);

private:
    friend class Memory;

    /// Pinned memory and the end of the copy that last used it.
    struct Staging {
        void* data = nullptr;
        cudaEvent_t done = nullptr;
    };
    static constexpr size_t kStagings = 4, kStagingBytes = size_t(8) << 20;

    explicit Device(int index) : index_(index) {}
    Result<void> create();
    Result<void> allocate(size_t bytes, Block& block);
    void give(Block block);
    void trim();
    std::string memoryText() const;
    /// "what: how much there is", and noted.
    Error noMemory(const std::string& what);
    Result<Staging*> nextStaging();

    int index_;
    std::string name_, lost_;
    std::string shortage_; ///< the first one since takeNotes(), in words
    bool tensorCores_ = false;
    cudaStream_t compute_ = nullptr, copy_ = nullptr;
    cudaEvent_t order_ = nullptr; ///< for one stream to wait for the other
    std::multimap<size_t, Block> unused_;
    size_t usedBytes_ = 0, nextStaging_ = 0;
    std::array<Staging, kStagings> stagings_;
};

/// Device memory that goes back to its device's pool.
class Memory {
public:
    Memory(std::shared_ptr<Device> device, Block block) : device_(std::move(device)), block_(block) {}
    ~Memory() { device_->give(block_); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    template<class T>
    T* as() const {
        touched_ = true;
        return static_cast<T*>(block_.data);
    }

private:
    friend class Device;

    std::shared_ptr<Device> device_;
    Block block_;
    mutable bool touched_ = false; ///< kernels may be using it: a copy has to wait for all of them
};

} // namespace qs::cuda
