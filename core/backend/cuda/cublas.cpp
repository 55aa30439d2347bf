// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/cublas.h"

#include <climits>
#include <dlfcn.h>
#include <fmt/format.h>

namespace qs::cuda {

namespace {

// From cublas_api.h and library_types.h of CUDA 12 and 13; the headers are not needed to build.
constexpr int kSuccess = 0, kNotInitialized = 1, kAllocationFailed = 3, kArchitectureMismatch = 8,
              kNotSupported = 15;
constexpr int kNoTranspose = 0, kTranspose = 1, kDefaultMath = 0, kDefaultAlgorithm = -1;
constexpr int kFloat = 0, kDouble = 1, kBfloat16 = 14;
constexpr int kComputeFloat = 68, kComputeDouble = 70;

struct Api {
    int (*create)(void** handle);
    int (*destroy)(void* handle);
    int (*setStream)(void* handle, cudaStream_t stream);
    int (*setMathMode)(void* handle, int mode);
    int (*getVersion)(void* handle, int* version);
    int (*gemm)(void* handle, int transposeA, int transposeB, int m, int n, int k, const void* alpha,
                const void* a, int typeA, int strideA, const void* b, int typeB, int strideB,
                const void* beta, void* c, int typeC, int strideC, int compute, int algorithm);
};

template<class F>
bool resolve(void* library, const char* name, F& function) {
    function = reinterpret_cast<F>(::dlsym(library, name));
    return function != nullptr;
}

/// Loaded once and never closed: threads of its own may run in it.
Result<Api> load() {
    std::string reason;
    for (const char* name : {"libcublas.so.13", "libcublas.so.12"}) {
        void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            if (const char* text = ::dlerror(); text && reason.empty()) reason = text;
            continue;
        }
        Api api{};
        if (resolve(library, "cublasCreate_v2", api.create) &&
            resolve(library, "cublasDestroy_v2", api.destroy) &&
            resolve(library, "cublasSetStream_v2", api.setStream) &&
            resolve(library, "cublasSetMathMode", api.setMathMode) &&
            resolve(library, "cublasGetVersion_v2", api.getVersion) &&
            resolve(library, "cublasGemmEx", api.gemm))
            return api;
        reason = fmt::format("{}: an entry point is missing", name);
    }
    return Error{ErrorCode::Backend, "cuBLAS cannot be loaded: " + reason, {}};
}

class LoadedCublas final : public Cublas {
public:
    LoadedCublas(const Api& api, void* handle, int version) : api_(api), handle_(handle), version_(version) {}
    ~LoadedCublas() override { api_.destroy(handle_); }

    std::string description() const override {
        return fmt::format("cuBLAS {}.{}", version_ / 10000, version_ / 100 % 100);
    }

    // Row-major c = op(a) op(b) is column-major c^T = op(b)^T op(a)^T, where a matrix read column-major is
    // its own transpose: factors change places, transpositions stay.
    Result<bool> product(const Product& p) override {
        if (p.m == 0 || p.n == 0) return true;
        if (p.m > INT_MAX || p.n > INT_MAX || p.k > INT_MAX || p.strideA > INT_MAX || p.strideB > INT_MAX ||
            p.strideC > INT_MAX || p.k == 0)
            return false;
        if (p.typeA != p.typeB || p.typeA == Stored::Rounded) return false;
        const bool wide = p.typeA == Stored::F64, half = p.typeA == Stored::Bf16;
        const int type = wide ? kDouble : half ? kBfloat16 : kFloat;
        const float alphaF = float(p.alpha), betaF = float(p.beta);
        const int status = api_.gemm(
            handle_, p.transposeB ? kTranspose : kNoTranspose, p.transposeA ? kTranspose : kNoTranspose,
            int(p.n), int(p.m), int(p.k), wide ? static_cast<const void*>(&p.alpha) : &alphaF, p.b, type,
            int(p.strideB), p.a, type, int(p.strideA), wide ? static_cast<const void*>(&p.beta) : &betaF, p.c,
            wide ? kDouble : kFloat, int(p.strideC), wide ? kComputeDouble : kComputeFloat,
            kDefaultAlgorithm);
        if (status == kSuccess) return true;
        if (status == kNotInitialized || status == kAllocationFailed || status == kArchitectureMismatch ||
            status == kNotSupported)
            return false;
        return Error{ErrorCode::Backend, fmt::format("cuBLAS failed with status {}", status), {}};
    }

private:
    Api api_;
    void* handle_;
    int version_;
};

} // namespace

Result<std::unique_ptr<Cublas>> Cublas::open(cudaStream_t stream) {
    static const Result<Api> api = load();
    if (!api) return api.error();
    void* handle = nullptr;
    if (const int status = api->create(&handle); status != kSuccess)
        return Error{ErrorCode::Backend, fmt::format("cuBLAS cannot be used: status {}", status), {}};
    int version = 0;
    api->getVersion(handle, &version);
    auto opened = std::make_unique<LoadedCublas>(*api, handle, version);
    // Default: at least the digits of the types asked for. TF32, which has fewer, is a mode of its own.
    if (api->setStream(handle, stream) != kSuccess || api->setMathMode(handle, kDefaultMath) != kSuccess)
        return Error{ErrorCode::Backend, "cuBLAS does not take its stream", {}};
    return std::unique_ptr<Cublas>(std::move(opened));
}

} // namespace qs::cuda
