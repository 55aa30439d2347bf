// SPDX-License-Identifier: Apache-2.0
// The CUDA backend on an emulated device, for the tests that are linked with the emulation.
#pragma once

#include "core/backend/cuda/cuda_backend.h"
#include "tests/support/cuda_emulation/cuda_runtime_api.h"

#include <QtGlobal>

namespace qs::test {

/// The value; the program ends with the error when there is none.
template<class T>
T taken(Result<T> r) {
    if (!r) qFatal("%s", r.error().describe().c_str());
    return std::move(*r);
}

inline std::unique_ptr<Backend> device(Precision precision = Precision::F32) {
    return taken(makeCudaBackend(0, precision));
}

/// As it is at the start, but for what is still in use.
inline void resetMachine() {
    const size_t used = emulation::machine().usedBytes;
    emulation::machine() = {};
    emulation::machine().usedBytes = used;
}

} // namespace qs::test
