// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/openblas.h"

#include <cstdlib>
#include <dlfcn.h>

namespace qs::linalg {

namespace {

// OpenBLAS reads OPENBLAS_CORETYPE once, when it is loaded. 0.3.21 does not know CPU models newer than itself
// and then takes Haswell kernels even where AVX-512 is present. A choice made by the user is respected.
void chooseKernels() {
    if (std::getenv("OPENBLAS_CORETYPE")) return;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (avx512)
        ::setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        ::setenv("OPENBLAS_CORETYPE", __builtin_cpu_is("amd") ? "Zen" : "Haswell", 0);
#endif
}

template<class F>
bool resolve(void* library, const char* name, F& function) {
    function = reinterpret_cast<F>(::dlsym(library, name));
    return function != nullptr;
}

const OpenBlas* load() {
    chooseKernels();
    void* library = nullptr;
    for (const char* name : {"libopenblas.so.0", "libopenblas.so"})
        if (!library) library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) return nullptr;
    static OpenBlas api;
    const bool complete = resolve(library, "cblas_sgemm", api.sgemm) &&
                          resolve(library, "dpotrf_", api.dpotrf) &&
                          resolve(library, "dtrtri_", api.dtrtri) &&
                          resolve(library, "openblas_set_num_threads", api.setNumThreads) &&
                          resolve(library, "openblas_get_num_threads", api.getNumThreads) &&
                          resolve(library, "openblas_get_corename", api.getCoreName) &&
                          resolve(library, "openblas_get_config", api.getConfig);
    if (!complete) return nullptr;
    api.setNumThreads(1);
    return &api;
}

} // namespace

const OpenBlas* openBlas() {
    static const OpenBlas* const api = load();
    return api;
}

} // namespace qs::linalg
