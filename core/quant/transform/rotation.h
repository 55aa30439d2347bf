// SPDX-License-Identifier: Apache-2.0
// Orthogonal maps of channels, so that what stands out in one of them is spread over all (QuaRot, Ashkboos et
// al. 2024, arXiv:2404.00456).
#pragma once

#include "core/base/result.h"
#include "core/codec/input_rotation.h"

#include <span>
#include <string>

namespace qs {

enum class RotationKind {
    Hadamard,   ///< random signs, then the Hadamard matrix
    Orthogonal, ///< random, uniform
    Klt,        ///< the principal axes of second moments, then as Hadamard
};

struct RotationInfo {
    RotationKind kind;
    const char *id, *summary; ///< the id is stored on disk, never renamed
    bool needsMoments = false;
};
std::span<const RotationInfo> rotationKinds();
/// NotFound lists the known ids.
Result<const RotationInfo*> findRotation(const std::string& id);

/// x -> R x for vectors of one size, R orthogonal. Immutable once made, thread-safe. Built in float64;
/// products are float32, relative error about 1e-6. A vector costs about 2 n log2 n flops as Hadamard where n
/// has a large power of two, else and for the other kinds 2 n^2.
class Rotation {
public:
    /// R = (H (x) Q) S of InputRotation, without scales.
    static Rotation hadamard(size_t size, uint64_t seed);
    static Rotation orthogonal(size_t size, uint64_t seed);
    /// R = H V^T with V the eigenvectors of `moments` [size, size], a symmetric sum of x x^T, and H as
    /// hadamard(). Where size is a power of two every channel of R x then has the same mean square
    /// (MambaQuant, Xu et al. 2025, arXiv:2501.13484).
    static Rotation karhunenLoeve(const MatrixD& moments, uint64_t seed);

    /// From now on R 1 = 1: a reflection behind R takes R 1 back to 1.
    void keepOnes();

    size_t size() const { return size_; }
    /// Every row is cut into pieces of size(): piece -> R piece. m is contiguous, m.cols a multiple of
    /// size().
    void turn(MatrixView m) const;
    /// The same for the columns; m.rows is a multiple of size(). Memory: a copy of m.
    void turnColumns(MatrixView m) const;

private:
    explicit Rotation(size_t size) : size_(size) {}

    size_t size_;
    Matrix dense_; ///< applied first; empty: none
    std::optional<RotationMap> hadamard_;
    std::vector<double> mirror_; ///< x -> x - mirror (mirror . x), applied last; empty: none
};

} // namespace qs
