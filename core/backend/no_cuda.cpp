// SPDX-License-Identifier: Apache-2.0
// The CUDA part of a build without the CUDA compiler: asking for it answers with the reason.
#include "core/backend/cuda/cuda_backend.h"

#include <fmt/format.h>

namespace qs {

namespace {
const char* const kNoCuda = "this build has no CUDA backend";
}

std::vector<BackendInfo> listCudaBackends() {
    return {{"cuda", "NVIDIA GPU", false, kNoCuda}};
}

Result<std::unique_ptr<Backend>> makeCudaBackend(int index, Precision) {
    return Error{ErrorCode::Backend, kNoCuda, fmt::format("cuda:{}", index)};
}

} // namespace qs
