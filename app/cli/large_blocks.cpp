// SPDX-License-Identifier: Apache-2.0
// Memory of matrices, kept between uses. They come and go in tens of MiB: fresh pages each time, which the
// kernel clears, took a third of plain conversions; and on the heap of malloc, small blocks settle in the
// holes of large ones, so that every block of a model took new memory. Here blocks of 1 MiB and more have
// mappings of their own, of which up to 256 MiB that nobody uses are kept. For the command line alone: a
// window's other threads would wait, for up to 100 ms, while so much is handed back at once.
//
// Sanitizers have allocators of their own, and see more with them.
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <unordered_set>
#include <vector>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

constexpr size_t kLarge = size_t(1) << 20, kStep = size_t(2) << 20, kKeptBytes = size_t(256) << 20;
constexpr size_t kPage = 4096; ///< in front of a block, for its size

struct Mapping {
    void* base;
    size_t bytes;
};

/// For what is kept here: memory that does not come through the operators below.
template<class T>
struct Plain {
    using value_type = T;
    Plain() = default;
    template<class U>
    Plain(const Plain<U>&) {}
    T* allocate(size_t n) {
        void* p = std::malloc(n * sizeof(T));
        if (!p) throw std::bad_alloc();
        return static_cast<T*>(p);
    }
    void deallocate(T* p, size_t) { std::free(p); }
    bool operator==(const Plain&) const = default;
};

class LargeBlocks {
public:
    /// Page-aligned; nullptr when there is no memory.
    void* take(size_t size) {
        if (size > SIZE_MAX - kStep - kPage) return nullptr;
        const size_t bytes = (size + kPage + kStep - 1) / kStep * kStep;
        const std::lock_guard lock(mutex_);
        const Mapping m = kept(bytes);
        if (!m.base) return nullptr;
        *static_cast<size_t*>(m.base) = m.bytes;
        void* block = static_cast<std::byte*>(m.base) + kPage;
        used_.insert(block);
        return block;
    }
    /// False when the block is not from here.
    bool give(void* block) {
        const std::lock_guard lock(mutex_);
        if (used_.erase(block) == 0) return false;
        void* base = static_cast<std::byte*>(block) - kPage;
        free_.push_back({base, *static_cast<size_t*>(base)});
        freeBytes_ += free_.back().bytes;
        while (freeBytes_ > kKeptBytes)
            drop(0); // the oldest
        return true;
    }

private:
    /// The smallest that is kept and hardly too large, else a new one.
    Mapping kept(size_t bytes) {
        size_t best = free_.size();
        for (size_t i = 0; i < free_.size(); ++i)
            if (free_[i].bytes >= bytes && free_[i].bytes <= bytes + bytes / 4 &&
                (best == free_.size() || free_[i].bytes < free_[best].bytes))
                best = i;
        if (best == free_.size()) return mapped(bytes);
        const Mapping m = free_[best];
        free_.erase(free_.begin() + ptrdiff_t(best));
        freeBytes_ -= m.bytes;
        return m;
    }
    Mapping mapped(size_t bytes) {
        for (;;) {
            void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p != MAP_FAILED) return {p, bytes};
            if (free_.empty()) return {nullptr, 0};
            drop(0);
        }
    }
    void drop(size_t index) {
        ::munmap(free_[index].base, free_[index].bytes);
        freeBytes_ -= free_[index].bytes;
        free_.erase(free_.begin() + ptrdiff_t(index));
    }

    std::mutex mutex_;
    std::vector<Mapping, Plain<Mapping>> free_; ///< oldest first
    std::unordered_set<void*, std::hash<void*>, std::equal_to<void*>, Plain<void*>> used_;
    size_t freeBytes_ = 0;
};

/// Never destroyed: memory is freed until the process ends.
LargeBlocks& largeBlocks() {
    static LargeBlocks* blocks = new (std::malloc(sizeof(LargeBlocks))) LargeBlocks;
    return *blocks;
}

void* allocate(size_t size, size_t alignment) {
    for (;;) {
        void* p = size >= kLarge && alignment <= kPage ? largeBlocks().take(size)
                  : alignment > alignof(std::max_align_t)
                      ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                      : std::malloc(size ? size : 1);
        if (p) return p;
        const std::new_handler handler = std::get_new_handler();
        if (!handler) throw std::bad_alloc();
        handler();
    }
}

void release(void* p) noexcept {
    // Large blocks begin on a page; of others hardly any does.
    if (reinterpret_cast<size_t>(p) % kPage == 0 && p && largeBlocks().give(p)) return;
    std::free(p);
}

} // namespace

void* operator new(size_t size) {
    return allocate(size, alignof(std::max_align_t));
}
void* operator new(size_t size, std::align_val_t alignment) {
    return allocate(size, size_t(alignment));
}
void operator delete(void* p) noexcept {
    release(p);
}
void operator delete(void* p, size_t) noexcept {
    release(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
    release(p);
}
void operator delete(void* p, size_t, std::align_val_t) noexcept {
    release(p);
}

#endif
