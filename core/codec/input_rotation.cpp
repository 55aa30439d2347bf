// SPDX-License-Identifier: Apache-2.0
#include "core/codec/input_rotation.h"

#include "core/linalg/decompose.h"

#include <cmath>

namespace qs {

RotationMap::RotationMap(const InputRotation& rotation, size_t cols)
    : power_(1), signs_(cols), scale_(rotation.scale) {
    while (cols % (2 * power_) == 0)
        power_ *= 2;
    rest_ = cols / power_;
    std::mt19937_64 rng(rotation.seed);
    const float size = 1 / std::sqrt(float(power_));
    for (float& s : signs_)
        s = rng() >> 63 ? size : -size;
    if (rest_ > 1) orthogonal_ = linalg::randomOrthogonal(rest_, rng);
}

// Butterflies over the power of two: values rest_ apart.
template<class T>
void RotationMap::hadamard(T* row) const {
    for (size_t half = 1; half < power_; half *= 2)
        for (size_t block = 0; block < power_; block += 2 * half)
            for (size_t i = block * rest_; i < (block + half) * rest_; ++i) {
                const T a = row[i], b = row[i + half * rest_];
                row[i] = a + b;
                row[i + half * rest_] = a - b;
            }
}

template<class T>
void RotationMap::rotate(T* row) const {
    for (size_t i = 0; i < signs_.size(); ++i)
        row[i] *= T(signs_[i]);
    hadamard(row);
    if (rest_ == 1) return;
    std::vector<double> in(rest_);
    for (size_t a = 0; a < power_; ++a, row += rest_) {
        std::copy_n(row, rest_, in.begin());
        for (size_t i = 0; i < rest_; ++i) {
            double sum = 0;
            for (size_t j = 0; j < rest_; ++j)
                sum += orthogonal_(i, j) * in[j];
            row[i] = T(sum);
        }
    }
}

template<class T>
void RotationMap::rotateBack(T* row) const {
    if (rest_ > 1) {
        std::vector<double> out(rest_);
        for (size_t a = 0; a < power_; ++a) {
            T* part = row + a * rest_;
            std::fill(out.begin(), out.end(), 0.0);
            for (size_t i = 0; i < rest_; ++i)
                for (size_t j = 0; j < rest_; ++j)
                    out[j] += orthogonal_(i, j) * double(part[i]);
            std::copy(out.begin(), out.end(), part);
        }
    }
    hadamard(row);
    for (size_t i = 0; i < signs_.size(); ++i)
        row[i] *= T(signs_[i]);
}

void RotationMap::turn(float* row) const {
    for (size_t i = 0; i < scale_.size(); ++i)
        row[i] *= scale_[i];
    rotate(row);
}

void RotationMap::turnBack(float* row) const {
    rotateBack(row);
    for (size_t i = 0; i < scale_.size(); ++i)
        row[i] /= scale_[i];
}

void RotationMap::turnSigma(MatrixD& sigma) const {
    const size_t n = signs_.size();
    const auto sides = [&] { // rows, then the matrix is turned over: Sigma is symmetric
        for (size_t r = 0; r < n; ++r) {
            for (size_t c = 0; c < scale_.size(); ++c)
                sigma(r, c) /= double(scale_[c]);
            rotate(sigma.row(r));
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
