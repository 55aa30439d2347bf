// SPDX-License-Identifier: Apache-2.0
#include "app/h5reader/limits.h"

#include <cstddef>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

namespace qs::h5reader {

namespace {

/// A chunk of 128 MiB, its unpacked copy and the cache of chunks.
[[maybe_unused]] constexpr rlim_t kMemoryBytes = rlim_t(1) << 30;
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

/// Standard streams and the file; the sanitizer asks through a pipe whether memory can be read.
constexpr rlim_t kOpenFiles = kSanitized ? 6 : 4;

bool limit(int resource, rlim_t value) {
    const rlimit both{value, value};
    return ::setrlimit(__rlimit_resource_t(resource), &both) == 0;
}

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr unsigned kArchitecture = 0;
#endif

constexpr unsigned kAllowed[] = {
    __NR_read,         __NR_pread64,        __NR_write,  __NR_lseek,      __NR_fstat,
    __NR_newfstatat,   __NR_close,          __NR_mmap,   __NR_munmap,     __NR_mremap,
    __NR_mprotect,     __NR_madvise,        __NR_brk,    __NR_futex,      __NR_clock_gettime,
    __NR_getrusage,    __NR_prlimit64,      __NR_exit,   __NR_exit_group, __NR_getpid,
    __NR_rt_sigreturn, __NR_rt_sigprocmask, __NR_gettid, __NR_tgkill,     __NR_getrandom,
};

} // namespace

bool limitResources() {
    ::prctl(PR_SET_DUMPABLE, 0);
    // The sanitizer reserves terabytes of addresses.
    return (kSanitized || limit(RLIMIT_AS, kMemoryBytes)) && limit(RLIMIT_NOFILE, kOpenFiles) &&
           limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0);
}

void allowSeconds(unsigned seconds) {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    rlimit both{};
    ::getrlimit(RLIMIT_CPU, &both);
    both.rlim_cur = rlim_t(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + seconds + 1;
    ::setrlimit(RLIMIT_CPU, &both);
}

void dropSystemCalls() {
    if (kArchitecture == 0 || kSanitized) return;
    constexpr size_t kCalls = sizeof kAllowed / sizeof kAllowed[0];
    sock_filter program[kCalls * 2 + 5];
    size_t n = 0;
    program[n++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
    program[n++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
    program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program[n++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    for (const unsigned call : kAllowed) {
        program[n++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
        program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1); // EPERM
    const sock_fprog filter{static_cast<unsigned short>(n), program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

} // namespace qs::h5reader
