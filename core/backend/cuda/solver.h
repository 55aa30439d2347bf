// SPDX-License-Identifier: Apache-2.0
// The operations of Backend that GPTQ and coordinate descent are made of, on device memory. Shapes are
// checked by the caller.
#pragma once

#include "core/backend/cuda/products.h"
#include "core/backend/cuda/tensors.h"

namespace qs::cuda {

/// See Backend.
Result<std::unique_ptr<UpperFactor>> upperFactor(Device& device, Products& products, const MatrixD& sigma,
                                                 std::span<const uint32_t> order,
                                                 std::span<const double> diagonal);
Result<void> addProduct(Products& products, float alpha, float* c, size_t strideC, DeviceBlock a,
                        DeviceBlock b);
Result<void> gptqColumnBlock(Device& device, Products& products, const ColumnBlock& block);
Result<void> gatherColumns(Device& device, const TensorBlock& x, std::span<const uint32_t> columns,
                           const TensorBlock& out);
Result<void> columnRanges(Device& device, const TensorBlock& x, std::span<float> low, std::span<float> high);
Result<void> downloadTransposed(Device& device, const CodeTensor& from, MatrixViewT<uint8_t> to);

} // namespace qs::cuda
