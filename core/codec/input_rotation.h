// SPDX-License-Identifier: Apache-2.0
// Rotation of a matrix's inputs before it is quantized, so that no weight and no input stands out (QuIP, Chee
// et al. 2023, arXiv:2307.13304; with Hadamard matrices, QuaRot, Ashkboos et al. 2024, arXiv:2404.00456). The
// codes hold W D R^T; R = (H (x) Q) S with S random signs, H the Hadamard matrix of the largest power of two
// that divides the row length, Q a random orthogonal matrix of what is left. Runtimes would rotate the
// inputs; here the values are turned back.
#pragma once

#include "core/tensor/matrix.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace qs {

/// What is stored of it.
struct InputRotation {
    uint64_t seed = 0;
    std::vector<float> scale; ///< D [cols], positive float16 values; empty: none
    bool operator==(const InputRotation&) const = default;
};

/// The rotation of rows of one length. Immutable and thread-safe. Building costs about 3 q^3 flops for a Q of
/// size q; a row of n values n (2 log2(n / q) + 2 q).
class RotationMap {
public:
    RotationMap(const InputRotation& rotation, size_t cols);

    /// w -> R D w, for a row of weights.
    void turn(float* row) const;
    /// The inverse of turn().
    void turnBack(float* row) const;
    /// Sigma of the inputs that go with turned weights: R D^-1 Sigma D^-1 R^T.
    void turnSigma(MatrixD& sigma) const;

    /// R by its parts, as core/linalg/block_rotation.h takes them: S [cols] over the root of the power of
    /// two, and Q, empty when it is 1.
    std::span<const float> signs() const { return signs_; }
    const MatrixD& orthogonal() const { return orthogonal_; }

private:
    std::vector<float> signs_;
    std::vector<float> scale_; ///< [cols]; empty: 1
    MatrixD orthogonal_;
};

/// Bits of the seed and the scales.
uint64_t rotationBits(bool scaled, size_t cols);

} // namespace qs
