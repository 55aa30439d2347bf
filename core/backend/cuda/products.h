// SPDX-License-Identifier: Apache-2.0
// Matrix products on a device, by cuBLAS or by our own kernels, and the operations of Backend that are made
// of them.
#pragma once

#include "core/backend/backend.h"
#include "core/backend/cuda/cublas.h"
#include "core/backend/cuda/device.h"

namespace qs::cuda {

class Products {
public:
    explicit Products(std::shared_ptr<Device> device);

    std::string description() const; ///< "cuBLAS 13.0", "own kernels: cuBLAS cannot be loaded: ..."
    Result<void> multiply(const Product& p);
    /// p with factors that are Stored::Rounded or Bf16. `halfA`, `halfB` are the same factors from halves(),
    /// or null.
    Result<void> multiplyRounded(const Product& p, const void* halfA, const void* halfB);
    /// Bfloat16 values of x for cuBLAS, which does not round on the way; null where our own kernels will do,
    /// also because no memory is left for it.
    Result<std::shared_ptr<Memory>> halves(const float* x, size_t count);

private:
    std::shared_ptr<Device> device_;
    std::unique_ptr<Cublas> cublas_;
    std::string problem_; ///< why not
};

/// x^T x in device memory; where it would take more than half of what is free, in host memory.
class DeviceSecondMoment {
public:
    DeviceSecondMoment(Device& device, Products& products, Precision precision, size_t channels)
        : device_(device), products_(products), precision_(precision), channels_(channels) {}
    /// Before anything else.
    Result<void> begin();
    /// x [rows, channels] is device memory.
    Result<void> add(const float* x, size_t rows);
    Result<MatrixD> take();
    size_t channels() const { return channels_; }

private:
    Device& device_;
    Products& products_;
    Precision precision_;
    size_t channels_;
    std::shared_ptr<Memory> sigma_; ///< null: in host_
    MatrixD host_;
};

/// See Backend.
Result<double> quadraticForm(Device& device, Products& products, ConstMatrixView a, const MatrixD& sigma);

/// Rows of a host matrix, to and from staging memory.
Device::Fill rowsOf(ConstMatrixView m);
Device::Drain rowsInto(MatrixView m);

} // namespace qs::cuda
