// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/parallel.h"

#include "core/linalg/blas.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <hwy/cache_control.h>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace qs::linalg {

namespace {

thread_local bool insideLoop = false;

struct Loop {
    const std::function<void(size_t, size_t)>* body = nullptr;
    size_t count = 0, grain = 1;
    std::atomic<size_t> next{0};

    void work() {
        for (;;) {
            const size_t begin = next.fetch_add(grain);
            if (begin >= count) return;
            (*body)(begin, std::min(count, begin + grain));
        }
    }
};

/// Waits for done() awake, but not for long: waking a thread takes as long as many loops do (50 to 100 us on
/// a virtual machine), and a core that another process could use must not be held. Whether it came about.
template<class F>
bool awaitAwake(const F& done) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::microseconds kLongest{100};
    constexpr int kLooksPerClock = 16;
    const auto end = Clock::now() + kLongest;
    do {
        for (int i = 0; i < kLooksPerClock; ++i) {
            if (done()) return true;
            hwy::Pause();
        }
    } while (Clock::now() < end);
    return false;
}

// Workers shared by the process, which sleep while there is nothing to do. One loop at a time owns them; a
// second caller meanwhile runs its loop alone, which is what it would get anyway on a machine whose cores are
// taken. A worker that comes when all is given out is not waited for.
class Pool {
public:
    static Pool& instance() {
        static Pool pool;
        return pool;
    }

    bool run(Loop& loop, int helpers) {
        std::unique_lock owner(owner_, std::try_to_lock);
        if (!owner.owns_lock()) return false;
        bool wake = false;
        {
            std::lock_guard lock(mutex_);
            while (int(workers_.size()) < helpers)
                workers_.emplace_back(
                    [this, index = int(workers_.size())](std::stop_token stop) { serve(stop, index); });
            current_ = &loop;
            helpers_ = helpers;
            ++generation_;
            wake = sleeping_ > 0;
        }
        if (wake) wake_.notify_all();
        insideLoop = true;
        loop.work();
        insideLoop = false;
        std::unique_lock lock(mutex_);
        current_ = nullptr;
        const auto idle = [&] { return busy_ == 0; };
        if (idle()) return true;
        lock.unlock();
        if (awaitAwake(idle)) return true;
        lock.lock();
        idle_.wait(lock, idle);
        return true;
    }

    ~Pool() {
        for (auto& w : workers_)
            w.request_stop();
        wake_.notify_all();
    }

private:
    void serve(std::stop_token stop, int index) {
        insideLoop = true;
        unsigned long seen = 0;
        const auto called = [&] { return generation_ != seen; };
        for (;;) {
            awaitAwake(called);
            std::unique_lock lock(mutex_);
            if (!called()) {
                ++sleeping_;
                wake_.wait(lock, stop, called);
                --sleeping_;
            }
            if (stop.stop_requested()) return;
            seen = generation_;
            if (index >= helpers_ || !current_) continue;
            Loop* loop = current_;
            ++busy_;
            lock.unlock();
            loop->work();
            lock.lock();
            if (--busy_ == 0) idle_.notify_all();
        }
    }

    std::mutex owner_, mutex_;
    std::condition_variable_any wake_;
    std::condition_variable_any idle_;
    Loop* current_ = nullptr;                  ///< null when no more workers are wanted
    int helpers_ = 0;                          ///< workers beyond these go on sleeping
    int sleeping_ = 0;                         ///< workers that need to be woken
    std::atomic<int> busy_{0};                 ///< workers inside current_; changes under mutex_
    std::atomic<unsigned long> generation_{0}; ///< changes under mutex_
    std::vector<std::jthread> workers_;        ///< last: they end before what they look at
};

} // namespace

void parallelFor(size_t count, size_t grain, const std::function<void(size_t, size_t)>& body) {
    if (count == 0) return;
    grain = std::max<size_t>(1, grain);
    const size_t chunks = (count + grain - 1) / grain;
    const int helpers = int(std::min<size_t>(size_t(threads()), chunks)) - 1;
    if (helpers > 0 && !insideLoop) {
        Loop loop;
        loop.body = &body;
        loop.count = count;
        loop.grain = grain;
        if (Pool::instance().run(loop, helpers)) return;
    }
    body(0, count);
}

} // namespace qs::linalg
