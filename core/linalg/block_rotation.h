// SPDX-License-Identifier: Apache-2.0
// R = (H (x) Q) S / sqrt(p), an orthogonal matrix of n = p q columns that is cheap to apply: S random signs,
// H the Hadamard matrix of p, the largest power of two that divides n (Sylvester's order), Q [q, q]
// orthogonal.
#pragma once

#include "core/tensor/matrix.h"

#include <span>

namespace qs::linalg {

/// The largest power of two that divides n; n > 0.
size_t powerOfTwoIn(size_t n);

/// x becomes R x, in place. `signs` [n] are those of S over the root of p; `orthogonal` is Q, empty when q
/// is 1. n (log2 p + 2 q) operations; T is float or double, products with Q are summed in double.
template<class T>
void rotateBlocks(std::span<T> x, std::span<const float> signs, const MatrixD& orthogonal);
/// x becomes R^T x.
template<class T>
void rotateBlocksBack(std::span<T> x, std::span<const float> signs, const MatrixD& orthogonal);

} // namespace qs::linalg
