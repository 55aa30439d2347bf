// SPDX-License-Identifier: Apache-2.0
#include "app/cli/interrupt.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace qs::cli {

namespace {

// A signal handler may only use async-signal-safe calls, and requesting a stop is not one: the handler writes
// a byte, a thread turns it into the request.
int pipeEnds[2] = {-1, -1};

extern "C" void onSignal(int) {
    const int saved = errno;
    const char byte = 1;
    [[maybe_unused]] const ssize_t written = write(pipeEnds[1], &byte, 1);
    errno = saved;
}

void watch(std::stop_source source) {
    char byte;
    for (int received = 0;;) {
        const ssize_t n = read(pipeEnds[0], &byte, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        if (++received > 1) _exit(1);
        source.request_stop();
    }
}

} // namespace

std::stop_token installInterruptHandler() {
    static std::stop_source source;
    if (pipe2(pipeEnds, O_CLOEXEC) != 0) return source.get_token(); // Ctrl-C then simply ends the process
    std::thread(watch, source).detach();
    struct sigaction action {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    // A reader that went away shows as a write error, which is reported.
    std::signal(SIGPIPE, SIG_IGN);
    return source.get_token();
}

} // namespace qs::cli
