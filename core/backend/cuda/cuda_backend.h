// SPDX-License-Identifier: Apache-2.0
// The CUDA part of a build, or in its place no_cuda.cpp.
#pragma once

#include "core/backend/backend.h"

namespace qs {

/// One entry per GPU; where there is none, one that says why.
std::vector<BackendInfo> listCudaBackends();
/// Device `index` of those. Error::Backend with the reason when it cannot be had.
Result<std::unique_ptr<Backend>> makeCudaBackend(int index, Precision precision);

} // namespace qs
