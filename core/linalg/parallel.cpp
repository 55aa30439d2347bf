// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/parallel.h"

#include "core/linalg/blas.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
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
    std::atomic<int> busy{0};

    void work() {
        for (;;) {
            const size_t begin = next.fetch_add(grain);
            if (begin >= count) return;
            (*body)(begin, std::min(count, begin + grain));
        }
    }
};

// Sleeping workers shared by the process. One loop at a time owns them; a second caller meanwhile runs its
// loop alone, which is what it would get anyway on a machine whose cores are taken.
class Pool {
public:
    static Pool& instance() {
        static Pool pool;
        return pool;
    }

    bool run(Loop& loop, int helpers) {
        std::unique_lock owner(owner_, std::try_to_lock);
        if (!owner.owns_lock()) return false;
        {
            std::lock_guard lock(mutex_);
            while (int(workers_.size()) < helpers)
                workers_.emplace_back(
                    [this, index = int(workers_.size())](std::stop_token stop) { serve(stop, index); });
            current_ = &loop;
            helpers_ = helpers;
            loop.busy = helpers;
            ++generation_;
        }
        wake_.notify_all();
        insideLoop = true;
        loop.work();
        insideLoop = false;
        std::unique_lock lock(mutex_);
        idle_.wait(lock, [&] { return loop.busy == 0; });
        current_ = nullptr;
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
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, stop, [&] { return generation_ != seen; });
            if (stop.stop_requested()) return;
            seen = generation_;
            if (index >= helpers_ || !current_) continue;
            Loop* loop = current_;
            lock.unlock();
            loop->work();
            lock.lock();
            if (--loop->busy == 0) idle_.notify_all();
        }
    }

    std::mutex owner_, mutex_;
    std::condition_variable_any wake_;
    std::condition_variable_any idle_;
    std::vector<std::jthread> workers_;
    Loop* current_ = nullptr;
    int helpers_ = 0;
    unsigned long generation_ = 0;
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
