// SPDX-License-Identifier: Apache-2.0
// The backends of this build and this machine.
#include "core/backend/backend.h"
#include "core/backend/cuda/cuda_backend.h"
#include "core/backend/shapes.h"
#include "core/linalg/blas.h"
#include "core/linalg/second_moment.h"

#include <charconv>
#include <fmt/format.h>

namespace qs {

Result<double> Backend::quadraticForm(ConstMatrixView a, const MatrixD& sigma) {
    QS_CHECK(shapes::checkForm(a, sigma));
    return linalg::quadraticForm(a, sigma.view());
}

std::vector<BackendInfo> listBackends() {
    std::vector<BackendInfo> all = {{"cpu", fmt::format("CPU, {}", linalg::providerDescription()), true, ""}};
    for (BackendInfo& info : listCudaBackends())
        all.push_back(std::move(info));
    return all;
}

Result<std::unique_ptr<Backend>> makeBackend(const std::string& device, int threads, Precision precision) {
    const std::string cuda = "cuda:";
    if (device == "cpu") return makeCpuBackend(threads, precision);
    if (device == "cuda") return makeCudaBackend(0, precision);
    if (device == "auto") {
        // A GPU that is there and cannot be opened is an error: the processor would be a silent surprise.
        for (const BackendInfo& gpu : listCudaBackends())
            if (gpu.available) return makeBackend(gpu.id, threads, precision);
        return makeCpuBackend(threads, precision);
    }
    if (device.rfind(cuda, 0) == 0) {
        int index = -1;
        const char* end = device.data() + device.size();
        const auto [stop, status] = std::from_chars(device.data() + cuda.size(), end, index);
        if (status == std::errc() && stop == end && index >= 0) return makeCudaBackend(index, precision);
    }
    return Error::invalid(fmt::format("unknown device '{}'; known: auto, cpu, cuda:N", device));
}

} // namespace qs
