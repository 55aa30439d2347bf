// SPDX-License-Identifier: Apache-2.0
// Values and quantized tensors to the bytes of ggml blocks; the way back is ggml_blocks.h. Layouts: ggml's
// ggml-common.h.
#pragma once

#include "core/codec/ggml_grid.h"
#include "core/tensor/matrix.h"

namespace qs {

/// The type that parameters of codec `ggml` name.
Result<const GgmlType*> ggmlTypeOf(const Params& codecParams);

/// Blocks of rows [firstRow, firstRow + rows) of a tensor of codec `ggml`, row after row. Unsupported for
/// another codec, and for an order of groups that is not that of the columns; InvalidArgument when a
/// parameter cannot be stored.
Result<std::vector<std::byte>> ggmlBlocks(const QuantizedTensor& q, size_t firstRow, size_t rows);

/// Plain rounding of values [rows, cols] to blocks: scales by the extreme values, nearest codes. Also to F32,
/// F16 and BF16. `out` must have the exact size. InvalidArgument for rows that are not whole blocks and for
/// values that are not finite. Rows run in parallel.
Result<void> quantizeGgml(const GgmlType& type, ConstMatrixView values, std::span<std::byte> out);
/// The same from float16 values as they lie in a file, [rows, cols].
Result<void> quantizeGgmlFromHalf(const GgmlType& type, std::span<const std::byte> values, size_t cols,
                                  std::span<std::byte> out);

} // namespace qs
