// SPDX-License-Identifier: Apache-2.0
// The backends of this build. CUDA is not part of it yet: asking for it answers with the reason.
#include "core/backend/backend.h"

#include "core/linalg/blas.h"

#include <fmt/format.h>

namespace qs {

namespace {
const char* const kNoCuda = "this build has no CUDA backend";
}

std::vector<BackendInfo> listBackends() {
    return {{"cpu", fmt::format("CPU, {}", linalg::providerDescription()), true, ""},
            {"cuda", "NVIDIA GPU", false, kNoCuda}};
}

Result<std::unique_ptr<Backend>> makeBackend(const std::string& device, int threads, Precision precision) {
    if (device == "auto" || device == "cpu") return makeCpuBackend(threads, precision);
    if (device.rfind("cuda", 0) == 0) return Error{ErrorCode::Backend, kNoCuda, device};
    return Error::invalid(fmt::format("unknown device '{}'; known: auto, cpu, cuda:N", device));
}

} // namespace qs
