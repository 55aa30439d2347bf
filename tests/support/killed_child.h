// SPDX-License-Identifier: Apache-2.0
// A forked copy of the test that does some work, waits, and is killed as `kill -9` does it.
#pragma once

#include "core/linalg/blas.h"

#include <csignal>
#include <functional>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace qs::test {

class KilledChild {
public:
    /// The child runs `work` on one thread (the others do not survive a fork), says so, and waits for its
    /// end. Work that never returns is killed all the same.
    explicit KilledChild(const std::function<void()>& work) {
        if (::pipe(pipe_) != 0) return;
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL); // not left behind by a test that fails
        ::alarm(120);                       // nor waited for for ever
        linalg::setThreads(1);
        work();
        const char done = 1;
        [[maybe_unused]] const ssize_t n = ::write(pipe_[1], &done, 1);
        for (;;)
            ::pause();
    }
    ~KilledChild() {
        kill();
        ::close(pipe_[0]);
        ::close(pipe_[1]);
    }
    KilledChild(const KilledChild&) = delete;
    KilledChild& operator=(const KilledChild&) = delete;

    /// Waits until the work is done.
    bool ready() {
        char done = 0;
        return pid_ > 0 && ::read(pipe_[0], &done, 1) == 1;
    }
    /// Kills it, and waits for its death. False when it died otherwise.
    bool kill() {
        if (pid_ <= 0) return false;
        int status = 0;
        ::kill(pid_, SIGKILL);
        const bool reaped = ::waitpid(pid_, &status, 0) == pid_;
        pid_ = -1;
        return reaped && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }
    /// Waits for a child that kills itself. False when it died otherwise.
    bool killedItself() {
        int status = 0;
        const bool reaped = pid_ > 0 && ::waitpid(pid_, &status, 0) == pid_;
        pid_ = -1;
        return reaped && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }

private:
    int pipe_[2] = {-1, -1};
    pid_t pid_ = -1;
};

} // namespace qs::test
