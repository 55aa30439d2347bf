// SPDX-License-Identifier: Apache-2.0
// Plain rounding of the types that whole models are converted to, in loops that the compiler vectorizes. The
// same bytes as fitGgmlBlock, roundToGrid and packing, which say what is meant.
#pragma once

#include "core/codec/ggml_grid.h"

namespace qs {

/// `blocks` whole blocks of finite values.
using GgmlBlockEncoder = void (*)(const float* values, size_t blocks, std::byte* out);
/// nullptr for types that have none: theirs is the general way.
GgmlBlockEncoder fastGgmlEncoder(const GgmlGrid& grid);

} // namespace qs
