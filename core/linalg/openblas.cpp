// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/openblas.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <strings.h>

namespace qs::linalg {

namespace {

constexpr const char* kCoreType = "OPENBLAS_CORETYPE";

struct Processor {
    bool avx2 = false, avx512 = false, amd = false;
};

Processor processor() {
    Processor p;
#if defined(__x86_64__)
    __builtin_cpu_init();
    p.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    p.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    p.amd = __builtin_cpu_is("amd");
#endif
    return p;
}

// OpenBLAS reads OPENBLAS_CORETYPE once, when it is loaded. 0.3.21 does not know CPU models newer than itself
// and then takes Haswell kernels even where AVX-512 is present. A choice made by the user is respected.
Result<void> chooseKernels() {
    const Processor p = processor();
    if (const char* chosen = std::getenv(kCoreType)) return checkCoreType(chosen, p.avx2, p.avx512);
    if (p.avx512)
        ::setenv(kCoreType, "SkylakeX", 0);
    else if (p.avx2)
        ::setenv(kCoreType, p.amd ? "Zen" : "Haswell", 0);
    return {};
}

Error unusable(const std::string& rule, const std::string& library) {
    return {ErrorCode::Backend, rule, library};
}

template<class F>
Result<void> resolve(void* handle, const char* name, const std::string& library, F& function) {
    function = reinterpret_cast<F>(::dlsym(handle, name));
    if (!function) return unusable(fmt::format("the entry point {} is missing", name), library);
    return {};
}

/// Small cases of each operation, by hand.
Result<void> checkValues(const OpenBlas& blas, const std::string& library) {
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, -1, 3, 1}; // [2, 3] and [2, 3]
    float c[] = {100, 100, 100, 100};
    blas.sgemm(101, 111, 112, 2, 2, 3, 2.0f, a, 3, b, 3, 0.5f, c, 2); // 2 a b^T + 50
    const float product[] = {64, 66, 82, 84};
    double h[] = {4, 2, 2, 10}; // = L L^T, L = [[2, 0], [1, 3]]; L^-1 = [[1/2, 0], [-1/6, 1/3]]
    const int n = 2;
    int info = -1, inverseInfo = -1;
    blas.dpotrf("U", &n, h, &n, &info);
    const bool factored = info == 0 && h[0] == 2 && h[2] == 1 && h[3] == 3;
    blas.dtrtri("U", "N", &n, h, &n, &inverseInfo);
    const bool inverted = inverseInfo == 0 && std::fabs(h[0] - 0.5) < 1e-15 &&
                          std::fabs(h[2] + 1.0 / 6) < 1e-15 && std::fabs(h[3] - 1.0 / 3) < 1e-15;
    if (!std::equal(std::begin(product), std::end(product), c))
        return unusable(
            fmt::format("sgemm gives {} where {} is right", fmt::join(c, ", "), fmt::join(product, ", ")),
            library);
    if (!factored || !inverted)
        return unusable(fmt::format("{} gives a wrong result", factored ? "dtrtri" : "dpotrf"), library);
    return {};
}

struct Loaded {
    OpenBlas api{};
    std::string problem;
    bool usable = false;
};

const Loaded& loaded() {
    static const Loaded state = [] {
        Loaded l;
        auto kernels = chooseKernels();
        auto blas = kernels ? loadOpenBlas({"libopenblas.so.0", "libopenblas.so"})
                            : Result<OpenBlas>(kernels.takeError());
        l.usable = blas.has_value();
        if (blas)
            l.api = *blas;
        else
            l.problem = blas.error().describe();
        return l;
    }();
    return state;
}

} // namespace

Result<void> checkCoreType(const std::string& coreType, bool avx2, bool avx512) {
    const auto isOneOf = [&](std::initializer_list<const char*> names) {
        return std::any_of(names.begin(), names.end(),
                           [&](const char* n) { return ::strcasecmp(n, coreType.c_str()) == 0; });
    };
    const char* needed = nullptr;
    if (!avx512 && isOneOf({"SkylakeX", "Cooperlake", "SapphireRapids"})) needed = "AVX-512";
    if (!avx2 && isOneOf({"Haswell", "Zen", "Excavator"})) needed = "AVX2 and FMA";
    if (!needed) return {};
    return unusable(fmt::format("{} needs {}, which this processor does not have", coreType, needed),
                    kCoreType);
}

Result<OpenBlas> loadOpenBlas(const std::vector<std::string>& libraries) {
    void* handle = nullptr;
    std::string library, reason;
    for (const std::string& name : libraries) {
        if (handle) break;
        library = name;
        handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (const char* text = handle ? nullptr : ::dlerror(); text && reason.empty()) reason = text;
    }
    // dlerror() begins with the name.
    if (!handle)
        return unusable(fmt::format("cannot be loaded: {}", reason),
                        fmt::format("{}", fmt::join(libraries, ", ")));
    OpenBlas api{};
    QS_CHECK(resolve(handle, "openblas_get_config", library, api.getConfig));
    QS_CHECK(resolve(handle, "openblas_get_corename", library, api.getCoreName));
    QS_CHECK(resolve(handle, "openblas_set_num_threads", library, api.setNumThreads));
    QS_CHECK(resolve(handle, "cblas_sgemm", library, api.sgemm));
    QS_CHECK(resolve(handle, "cblas_dgemm", library, api.dgemm));
    QS_CHECK(resolve(handle, "cblas_ssyrk", library, api.ssyrk));
    QS_CHECK(resolve(handle, "cblas_dsyrk", library, api.dsyrk));
    QS_CHECK(resolve(handle, "cblas_dtrmm", library, api.dtrmm));
    QS_CHECK(resolve(handle, "dpotrf_", library, api.dpotrf));
    QS_CHECK(resolve(handle, "dtrtri_", library, api.dtrtri));
    if (std::string(api.getConfig()).find("USE64BITINT") != std::string::npos)
        return unusable("is built for 64-bit integers (USE64BITINT); the 32-bit interface is needed",
                        library);
    api.setNumThreads(1);
    QS_CHECK(checkValues(api, library));
    return api;
}

const OpenBlas* openBlas() {
    return loaded().usable ? &loaded().api : nullptr;
}

const std::string& openBlasProblem() {
    return loaded().problem;
}

} // namespace qs::linalg
