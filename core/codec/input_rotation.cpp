// SPDX-License-Identifier: Apache-2.0
#include "core/codec/input_rotation.h"

#include "core/linalg/block_rotation.h"
#include "core/linalg/decompose.h"

#include <cmath>

namespace qs {

RotationMap::RotationMap(const InputRotation& rotation, size_t cols) : signs_(cols), scale_(rotation.scale) {
    const size_t power = linalg::powerOfTwoIn(cols), rest = cols / power;
    std::mt19937_64 rng(rotation.seed);
    const float size = 1 / std::sqrt(float(power));
    for (float& s : signs_)
        s = rng() >> 63 ? size : -size;
    if (rest > 1) orthogonal_ = linalg::randomOrthogonal(rest, rng);
}

void RotationMap::turn(float* row) const {
    for (size_t i = 0; i < scale_.size(); ++i)
        row[i] *= scale_[i];
    linalg::rotateBlocks(std::span(row, signs_.size()), signs_, orthogonal_);
}

void RotationMap::turnBack(float* row) const {
    linalg::rotateBlocksBack(std::span(row, signs_.size()), signs_, orthogonal_);
    for (size_t i = 0; i < scale_.size(); ++i)
        row[i] /= scale_[i];
}

void RotationMap::turnSigma(MatrixD& sigma) const {
    const size_t n = signs_.size();
    const auto sides = [&] { // rows, then the matrix is turned over: Sigma is symmetric
        for (size_t r = 0; r < n; ++r) {
            for (size_t c = 0; c < scale_.size(); ++c)
                sigma(r, c) /= double(scale_[c]);
            linalg::rotateBlocks(std::span(sigma.row(r), n), signs_, orthogonal_);
        }
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < r; ++c)
                std::swap(sigma(r, c), sigma(c, r));
    };
    sides();
    sides();
}

uint64_t rotationBits(bool scaled, size_t cols) {
    return 64 + (scaled ? uint64_t(cols) * 16 : 0);
}

} // namespace qs
