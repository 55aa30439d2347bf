// SPDX-License-Identifier: Apache-2.0
// Quantized tensors as ggml blocks, exactly: what the codec `ggml` made is packed as it is, integers of the
// codec `int` become legacy blocks of 32 where those hold the same values, and MXFP4 of the codec `mx` is
// ggml's.
#pragma once

#include "core/recipe/recipe.h"
#include "core/tensor/ggml_blocks.h"

namespace qs {

/// The type that a scheme's tensors become. Integers: symmetric 4, 5 and 8 bits are Q4_0, Q5_0 and Q8_0 (q -
/// 8, q - 16, q - 128), others of 4 and 5 bits Q4_1 and Q5_1 (d q + m with m = -d z). mx with mxfp4: MXFP4.
/// Unsupported, saying what would do, for any other.
Result<const GgmlType*> ggufTypeOf(const Scheme& scheme);

/// All rows of `q` as blocks into `out`. Unsupported, naming row and group, when a scale or -scale * zero is
/// not an f16 value, a block of 32 columns lies in two groups (act-order), or a zero point is not the
/// type's.
Result<void> ggufBlocks(const QuantizedTensor& q, const GgmlType& type, std::span<std::byte> out);

} // namespace qs
