// SPDX-License-Identifier: Apache-2.0
// Bytes of a quantized payload: what plans promise and prices are made from.
#pragma once

#include "core/quant/method.h"
#include "core/recipe/recipe.h"

namespace qs {

/// Every part (codes, scales, zeros, index, extras) rounded up to whole bytes.
uint64_t storedBytes(const StoredBits& bits);

/// Of a [rows, cols] matrix in the codec of a scheme by its method. InvalidArgument when the format does not
/// fit the shape.
Result<StoredBits> storedBits(const Codec& codec, const MethodDescriptor& method, const Scheme& scheme,
                              size_t rows, size_t cols);

/// What a scheme, whose method is `method`, keeps beside the codes.
ExtrasSize extrasOf(const MethodDescriptor& method, const Scheme& scheme, size_t rows, size_t cols);

} // namespace qs
