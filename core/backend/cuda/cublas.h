// SPDX-License-Identifier: Apache-2.0
// Matrix products by cuBLAS where it is installed. It is opened at run time: the programs start without it.
#pragma once

#include "core/backend/cuda/kernels.h"
#include "core/base/result.h"

#include <memory>
#include <string>

namespace qs::cuda {

class Cublas {
public:
    /// Error::Backend with the reason when it cannot be used on the thread's device. Its work goes to
    /// `stream`.
    static Result<std::unique_ptr<Cublas>> open(cudaStream_t stream);
    virtual ~Cublas() = default;

    virtual std::string description() const = 0; ///< "cuBLAS 13.0"
    /// Enqueues p; false when cuBLAS does not do this product here (too large for its integers, types that
    /// the device lacks): nothing was enqueued then. Never TF32. Stored::Rounded is refused.
    virtual Result<bool> product(const Product& p) = 0;
};

} // namespace qs::cuda
