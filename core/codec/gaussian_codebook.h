// SPDX-License-Identifier: Apache-2.0
// Vector quantizers of the normal distribution N(0, I_p): the grids of HIGGS (Malinovskii et al. 2024,
// arXiv:2411.17525) for p > 1.
#pragma once

#include "core/tensor/matrix.h"

namespace qs {

/// 2^bits vectors of `length` elements, [2^bits, length], each exactly a float16, with near the least mean
/// squared error: k-means on 128 evenly spread points a vector. The same on every machine but for what
/// float16 hides. Made at the first call (0.1 to 1 s for 2^8 vectors), then kept. bits 1..8, length 1..8.
const Matrix& gaussianCodebook(size_t length, int bits);

} // namespace qs
