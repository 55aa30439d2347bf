// SPDX-License-Identifier: Apache-2.0
// Products of bfloat16 factors: factors are rounded to nearest (ties to even), products are exact, sums are
// float32. By oneDNN where the processor multiplies bfloat16, else by float32 products of the same rounded
// factors: the same numbers but for the order of the sums.
#pragma once

#include "core/base/result.h"
#include "core/tensor/matrix.h"

#include <cstdint>
#include <string>

namespace qs::linalg {

/// Bits of bfloat16 values.
using MatrixBf16 = MatrixT<uint16_t>;
using Bf16View = MatrixViewT<const uint16_t>;

/// "oneDNN 2.6.3 (bf16)", or "float32 products, slower: ..." with the reason.
std::string bf16ProviderDescription();

/// Rounded to bfloat16.
MatrixBf16 toBf16(ConstMatrixView m);
Matrix toFloat(Bf16View m);
/// y [m, n] = bf16(x) w^T, x [m, k], w [n, k]. 2mnk flops; memory for bf16(x).
Result<void> gemmBf16(ConstMatrixView x, Bf16View w, MatrixView y);

} // namespace qs::linalg
