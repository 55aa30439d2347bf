// SPDX-License-Identifier: Apache-2.0
#include "core/backend/cuda/devices.h"

#include "core/backend/cuda/cuda_backend.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

namespace qs {

namespace cuda {

namespace {

Error failure(const std::string& message, const std::string& where = {}) {
    return Error{ErrorCode::Backend, message, where};
}

std::string versionText(int version) {
    return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

} // namespace

Result<int> deviceCount() {
    int driver = 0, runtime = 0, count = 0;
    // The runtime opens libcuda.so.1 itself; version 0 says that it could not.
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) cudaGetLastError(); // a machine without a GPU is no failure of later calls
    if (driver == 0) return failure("there is no NVIDIA driver (libcuda.so.1)");
    if (status == cudaErrorInsufficientDriver)
        return failure(fmt::format("the NVIDIA driver knows CUDA up to {}, this build needs {}",
                                   versionText(driver), versionText(runtime)));
    if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
        return failure("the NVIDIA driver sees no GPU");
    if (status != cudaSuccess)
        return failure(fmt::format("the NVIDIA driver cannot be used: {}", cudaGetErrorString(status)));
    return count;
}

Result<void> checkUsable(int index) {
    constexpr int kLeast = 75; // the oldest architecture that CUDA 13 compiles for
    const std::string where = fmt::format("cuda:{}", index);
    int major = 0, minor = 0;
    for (const auto& [value, attribute] : {std::pair{&major, cudaDevAttrComputeCapabilityMajor},
                                           std::pair{&minor, cudaDevAttrComputeCapabilityMinor}})
        if (const cudaError_t e = cudaDeviceGetAttribute(value, attribute, index); e != cudaSuccess) {
            cudaGetLastError();
            return failure(cudaGetErrorString(e), where);
        }
    if (major * 10 + minor >= kLeast) return {};
    return failure(fmt::format("compute capability {}.{} is below the oldest that is supported, {}.{}", major,
                               minor, kLeast / 10, kLeast % 10),
                   where);
}

namespace {

BackendInfo describeDevice(int index) {
    BackendInfo info{fmt::format("cuda:{}", index), "NVIDIA GPU", false, ""};
    cudaDeviceProp properties = {};
    size_t free = 0, total = 0;
    cudaError_t e = cudaGetDeviceProperties(&properties, index);
    if (e == cudaSuccess)
        info.description =
            fmt::format("{}, compute capability {}.{}", properties.name, properties.major, properties.minor);
    if (const auto usable = checkUsable(index); !usable) {
        info.reason = usable.error().message;
        return info;
    }
    if (e == cudaSuccess) e = cudaSetDevice(index);
    if (e == cudaSuccess) e = cudaMemGetInfo(&free, &total);
    if (e != cudaSuccess) {
        cudaGetLastError();
        info.reason = cudaGetErrorString(e);
        return info;
    }
    constexpr double kGiB = double(1 << 30);
    info.description += fmt::format(", {:.1f} of {:.1f} GiB free", double(free) / kGiB, double(total) / kGiB);
    info.available = true;
    return info;
}

} // namespace

} // namespace cuda

std::vector<BackendInfo> listCudaBackends() {
    const auto count = cuda::deviceCount();
    if (!count) return {{"cuda", "NVIDIA GPU", false, count.error().message}};
    std::vector<BackendInfo> all;
    for (int i = 0; i < *count; ++i)
        all.push_back(cuda::describeDevice(i));
    return all;
}

} // namespace qs
