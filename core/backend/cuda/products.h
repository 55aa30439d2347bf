// SPDX-License-Identifier: Apache-2.0
// Matrix products on a device, by cuBLAS or by our own kernels, and the operations of Backend that take host
// matrices.
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

/// See Backend. x [rows, sigma.rows()] is device memory.
Result<void> accumulateSigma(Device& device, Products& products, const float* x, size_t rows,
                             Precision precision, MatrixD& sigma);
Result<MatrixD> upperFactor(Device& device, Products& products, MatrixD h);
Result<void> addProduct(Device& device, Products& products, float alpha, MatrixView c, ConstMatrixView a,
                        ConstMatrixView b);
Result<void> gptqColumnBlock(Device& device, Products& products, const ColumnBlock& block);

/// Rows of a host matrix, to and from staging memory.
Device::Fill rowsOf(ConstMatrixView m);
Device::Drain rowsInto(MatrixView m);

} // namespace qs::cuda
