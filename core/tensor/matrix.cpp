// SPDX-License-Identifier: Apache-2.0
#include "core/tensor/matrix.h"

#include "core/tensor/spare_memory.h"

#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <mutex>
#include <new>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QS_CHECKED_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define QS_CHECKED_MEMORY 1
#endif
#endif

namespace qs {

namespace {

constexpr std::align_val_t kAlignment{64};
constexpr size_t kHuge = size_t(2) << 20, kLarge = 2 * kHuge;

/// Sanitizers watch the allocator's memory alone.
bool isMapped(size_t bytes) {
#ifdef QS_CHECKED_MEMORY
    return false;
#else
    return bytes >= kLarge;
#endif
}

size_t mappedBytes(size_t bytes) {
    constexpr size_t kPage = 4096;
    return (bytes + kPage - 1) / kPage * kPage;
}

/// On a border of huge pages, so that the first lies whole in it; nullptr when there is no memory.
void* mapAligned(size_t bytes) {
    const size_t all = bytes + kHuge;
    void* const mapped = ::mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    auto* const begin = static_cast<std::byte*>(mapped);
    const size_t before = (kHuge - reinterpret_cast<uintptr_t>(begin) % kHuge) % kHuge;
    if (before > 0) ::munmap(begin, before);
    if (const size_t behind = all - before - bytes; behind > 0) ::munmap(begin + before + bytes, behind);
    return begin + before;
}

/// Mappings that were freed last: the next matrix of the same size takes one of them. The system clears new
/// pages far more slowly than they are cleared here, and layers ask for the same sizes again and again.
class Spare {
public:
    static Spare& instance() {
        static Spare* const spare = new Spare; // never destroyed: matrices may be freed until the very end
        return *spare;
    }

    /// Filled with anything; nullptr when there is none.
    void* take(size_t bytes) {
        const std::scoped_lock lock(mutex_);
        for (auto it = list_.rbegin(); it != list_.rend(); ++it) {
            if (it->bytes != bytes) continue;
            void* const p = it->memory;
            held_ -= bytes;
            list_.erase(std::next(it).base());
            return p;
        }
        return nullptr;
    }

    void give(void* p, size_t bytes) {
        const std::scoped_lock lock(mutex_);
        list_.push_back({p, bytes});
        held_ += bytes;
        trim(kMost);
    }

    void release(size_t keepBytes) {
        const std::scoped_lock lock(mutex_);
        trim(keepBytes);
    }

private:
    /// Two second moments of 5632 channels: a layer of a model of 1 B parameters needs no new pages.
    static constexpr size_t kMost = size_t(512) << 20;

    void trim(size_t most) {
        while (held_ > most) {
            ::munmap(list_.front().memory, list_.front().bytes);
            held_ -= list_.front().bytes;
            list_.pop_front();
        }
    }

    struct Mapping {
        void* memory;
        size_t bytes;
    };
    std::mutex mutex_;
    std::deque<Mapping> list_; ///< oldest first
    size_t held_ = 0;
};

} // namespace

void* zeroedMatrix(size_t bytes) {
    if (!isMapped(bytes)) {
        void* const p = ::operator new(bytes, kAlignment);
        std::memset(p, 0, bytes);
        return p;
    }
    const size_t size = mappedBytes(bytes);
    if (void* const spare = Spare::instance().take(size)) {
        std::memset(spare, 0, bytes);
        return spare;
    }
    void* const p = mapAligned(size);
    if (!p) throw std::bad_alloc();
    ::madvise(p, size, MADV_HUGEPAGE); // a wish: without it pages are small
    return p;
}

void releaseSpareMatrices(size_t keepBytes) {
    Spare::instance().release(keepBytes);
}

void freeMatrix(void* p, size_t bytes) {
    if (isMapped(bytes))
        Spare::instance().give(p, mappedBytes(bytes));
    else
        ::operator delete(p, kAlignment);
}

} // namespace qs
