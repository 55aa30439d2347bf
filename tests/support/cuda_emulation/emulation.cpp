// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/cublas.h"
#include "cuda_runtime.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <ucontext.h>
#include <vector>

using qs::emulation::machine;
using qs::emulation::Machine;

/// Work that is done up to `done`; the rest waits for somebody who needs it.
struct CUstream_st {
    std::deque<std::function<void()>> waiting;
    size_t done = 0;

    size_t end() const { return done + waiting.size(); }
    void runTo(size_t index) {
        while (done < index && !waiting.empty()) {
            const auto work = std::move(waiting.front());
            waiting.pop_front();
            work();
            ++done;
        }
    }
};

struct CUevent_st {
    std::shared_ptr<CUstream_st> stream; ///< none: never recorded
    size_t index = 0;
};

namespace {

struct Runtime {
    std::map<cudaStream_t, std::shared_ptr<CUstream_st>> streams;
    std::map<char*, size_t> blocks; ///< of device memory
    cudaError_t last = cudaSuccess;
};

Runtime& runtime() {
    static Runtime r;
    return r;
}

/// A lost device answers everything with the error that lost it.
cudaError_t answer(cudaError_t error) {
    if (machine().fault != cudaSuccess) error = machine().fault;
    if (error != cudaSuccess) runtime().last = error;
    return error;
}

void runAll() {
    for (auto& [key, stream] : runtime().streams)
        stream->runTo(stream->end());
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
    if (runtime().streams.count(stream) == 0) return answer(cudaErrorInvalidValue);
    if (answer(cudaSuccess) != cudaSuccess) return machine().fault;
    stream->waiting.push_back(std::move(work));
    return cudaSuccess;
}

bool onDevice(const void* pointer, size_t bytes) {
    const char* p = static_cast<const char*>(pointer);
    auto after = runtime().blocks.upper_bound(const_cast<char*>(p));
    if (after == runtime().blocks.begin()) return false;
    const auto& [begin, size] = *--after;
    return p + bytes <= begin + size;
}

} // namespace

namespace qs::emulation {

Machine& machine() {
    static Machine m;
    return m;
}

namespace {

constexpr size_t kStackBytes = 64 * 1024, kWarp = 32;

struct Barrier {
    size_t arrived = 0, generation = 0;
};

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool done = false;
};

/// The block that is running.
struct Running {
    ucontext_t scheduler;
    std::vector<std::unique_ptr<Fiber>> fibers;
    size_t count = 0, current = 0;
    bool progress = false;
    Barrier block;
    std::vector<Barrier> warps;
    std::vector<uint64_t> given;
    std::vector<std::array<uint32_t, 6>> factors; ///< of multiplyTf32, by thread
    const std::function<void()>* thread = nullptr;
};

Running& running() {
    static Running r;
    return r;
}

void fiberMain() {
    Running& r = running();
    (*r.thread)();
    r.fibers[r.current]->done = true;
    r.progress = true;
}

void yield() {
    Running& r = running();
    swapcontext(&r.fibers[r.current]->context, &r.scheduler);
}

void wait(Barrier& barrier, size_t count) {
    Running& r = running();
    r.progress = true;
    if (++barrier.arrived == count) {
        barrier.arrived = 0;
        ++barrier.generation;
        return;
    }
    for (const size_t generation = barrier.generation; barrier.generation == generation;)
        yield();
    r.progress = true;
}

void start(Fiber& fiber) {
    if (!fiber.stack) fiber.stack.reset(new char[kStackBytes]);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = &running().scheduler;
    makecontext(&fiber.context, fiberMain, 0);
    fiber.done = false;
}

bool resumeAll() {
    Running& r = running();
    bool all = true;
    r.progress = false;
    for (size_t i = 0; i < r.count; ++i) {
        r.current = machine().reversedThreads ? r.count - 1 - i : i;
        Fiber& fiber = *r.fibers[r.current];
        if (fiber.done) continue;
        threadIdx = dim3(unsigned(r.current), 0, 0);
        swapcontext(&r.scheduler, &fiber.context);
        all = all && fiber.done;
    }
    return all;
}

void runBlock(const std::function<void()>& thread, size_t count) {
    Running& r = running();
    while (r.fibers.size() < count)
        r.fibers.push_back(std::make_unique<Fiber>());
    r.count = count;
    r.thread = &thread;
    r.block = {};
    r.warps.assign((count + kWarp - 1) / kWarp, {});
    r.given.assign(count, 0);
    r.factors.assign(count, {});
    for (size_t i = 0; i < count; ++i)
        start(*r.fibers[i]);
    while (!resumeAll())
        if (!r.progress) {
            std::fprintf(stderr, "a thread of a block ended or waits elsewhere while others wait for it\n");
            std::abort();
        }
    if (r.block.arrived != 0) std::abort();
}

} // namespace

void syncBlock() {
    wait(running().block, running().count);
}

void multiplyTf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    Running& r = running();
    const size_t self = r.current, warp = self / kWarp, lane = self % kWarp;
    r.factors[self] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    wait(r.warps[warp], kWarp);
    const auto value = [&](size_t from, size_t i) {
        return double(__uint_as_float(r.factors[warp * kWarp + from][i] & 0xffffe000u));
    };
    // By row and column, whichever lane has them.
    const auto left = [&](size_t row, size_t k) { return value(row % 8 * 4 + k % 4, k / 4 * 2 + row / 8); };
    const auto right = [&](size_t k, size_t column) { return value(column * 4 + k % 4, 4 + k / 4); };
    for (size_t i = 0; i < 4; ++i) {
        const size_t row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        double sum = double(c[i]);
        for (size_t k = 0; k < 8; ++k)
            sum += left(row, k) * right(k, column);
        c[i] = float(sum);
    }
    wait(r.warps[warp], kWarp);
}

uint64_t exchange(uint64_t value, unsigned laneMask) {
    Running& r = running();
    const size_t self = r.current, warp = self / kWarp, lanes = std::min(kWarp, r.count - warp * kWarp);
    r.given[self] = value;
    wait(r.warps[warp], lanes);
    const uint64_t got = r.given[warp * kWarp + ((self % kWarp) ^ laneMask)];
    wait(r.warps[warp], lanes);
    return got;
}

cudaError_t launch(dim3 grid, dim3 block, cudaStream_t stream, std::function<void()> thread) {
    Machine& m = machine();
    const size_t threads = size_t(block.x) * block.y * block.z;
    if (threads == 0 || threads > 1024 || block.y != 1 || block.z != 1 || grid.x == 0 || grid.y == 0 ||
        grid.z != 1 || grid.x > 0x7fffffffu || grid.y > 0xffffu)
        return answer(cudaErrorInvalidConfiguration);
    if (m.refusedLaunches > 0) {
        --m.refusedLaunches;
        return answer(cudaErrorMemoryAllocation);
    }
    ++m.launches;
    if (m.launchesBeforeFault >= 0 && m.launchesBeforeFault-- == 0) m.fault = cudaErrorIllegalAddress;
    return enqueue(stream, [=] {
        gridDim = grid;
        blockDim = block;
        for (unsigned y = 0; y < grid.y; ++y)
            for (unsigned x = 0; x < grid.x; ++x) {
                blockIdx = dim3(x, y, 0);
                runBlock(thread, threads);
            }
    });
}

} // namespace qs::emulation

cudaError_t cudaDriverGetVersion(int* version) {
    *version = machine().driverVersion;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
    *count = machine().devices;
    if (machine().driverVersion < 13000) return answer(cudaErrorInsufficientDriver);
    return answer(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int index) {
    return answer(index >= 0 && index < machine().devices ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    std::snprintf(properties->name, sizeof properties->name, "Emulated GPU");
    properties->totalGlobalMem = machine().memoryBytes;
    properties->major = machine().major;
    properties->minor = machine().minor;
    return answer(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    *value = attribute == cudaDevAttrComputeCapabilityMajor ? machine().major : machine().minor;
    return answer(cudaSuccess);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    *total = machine().memoryBytes;
    *free = *total > machine().usedBytes ? *total - machine().usedBytes : 0;
    return answer(cudaSuccess);
}

cudaError_t cudaGetLastError() {
    const cudaError_t e = runtime().last;
    runtime().last = machine().fault;
    return e;
}

const char* cudaGetErrorName(cudaError_t error) {
    return error == cudaErrorIllegalAddress ? "cudaErrorIllegalAddress" : "cudaError";
}

const char* cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorIllegalAddress ? "an illegal memory access was encountered" : "emulated error";
}

// Every byte 0xff: floats are NaN until they are written.
cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    Machine& m = machine();
    if (bytes > m.memoryBytes || m.usedBytes > m.memoryBytes - bytes)
        return answer(cudaErrorMemoryAllocation);
    char* block = static_cast<char*>(std::malloc(bytes));
    if (!block) return answer(cudaErrorMemoryAllocation);
    std::memset(block, 0xff, bytes);
    runtime().blocks[block] = bytes;
    m.usedBytes += bytes;
    ++m.allocations;
    *pointer = block;
    return answer(cudaSuccess);
}

cudaError_t cudaFree(void* pointer) {
    runAll();
    const auto found = runtime().blocks.find(static_cast<char*>(pointer));
    if (found == runtime().blocks.end()) return answer(cudaErrorInvalidValue);
    machine().usedBytes -= found->second;
    runtime().blocks.erase(found);
    std::free(pointer);
    return answer(cudaSuccess);
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
    *pointer = std::malloc(bytes);
    return answer(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void* pointer) {
    runAll();
    std::free(pointer);
    return answer(cudaSuccess);
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
    if (!onDevice(pointer, bytes)) return answer(cudaErrorInvalidValue);
    return enqueue(stream, [=] { std::memset(pointer, value, bytes); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (kind != cudaMemcpyHostToDevice && !onDevice(from, bytes)) return answer(cudaErrorInvalidValue);
    if (kind != cudaMemcpyDeviceToHost && !onDevice(to, bytes)) return answer(cudaErrorInvalidValue);
    const cudaError_t e = enqueue(stream, [=] { std::memcpy(to, from, bytes); });
    if (e == cudaSuccess && kind == cudaMemcpyHostToDevice && machine().eagerUploads)
        stream->runTo(stream->end());
    return e;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    auto created = std::make_shared<CUstream_st>();
    *stream = created.get();
    runtime().streams[created.get()] = created;
    return answer(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    stream->runTo(stream->end());
    runtime().streams.erase(stream);
    return answer(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    stream->runTo(stream->end());
    return answer(cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (!event->stream) return answer(cudaSuccess);
    return enqueue(stream, [other = event->stream, index = event->index] { other->runTo(index); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = new CUevent_st;
    return answer(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return answer(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    const auto found = runtime().streams.find(stream);
    if (found == runtime().streams.end()) return answer(cudaErrorInvalidValue);
    event->stream = found->second;
    event->index = stream->end();
    return answer(cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (event->stream) event->stream->runTo(event->index);
    return answer(cudaSuccess);
}

// A cuBLAS of the machine would compute on a GPU: here our own kernels are what is tested.
namespace qs::cuda {

Result<std::unique_ptr<Cublas>> Cublas::open(cudaStream_t) {
    return Error{ErrorCode::Backend, "cuBLAS is not emulated", {}};
}

} // namespace qs::cuda
