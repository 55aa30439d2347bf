// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/block_rotation.h"

#include <algorithm>
#include <vector>

namespace qs::linalg {

namespace {

// Butterflies over the power of two: values `rest` apart.
template<class T>
void hadamard(T* x, size_t power, size_t rest) {
    for (size_t half = 1; half < power; half *= 2)
        for (size_t block = 0; block < power; block += 2 * half)
            for (size_t i = block * rest; i < (block + half) * rest; ++i) {
                const T a = x[i], b = x[i + half * rest];
                x[i] = a + b;
                x[i + half * rest] = a - b;
            }
}

/// Every q values of x become Q times them; back: Q^T times them.
template<class T>
void multiplyBlocks(std::span<T> x, const MatrixD& q) {
    const size_t n = q.rows();
    std::vector<double> sums(n);
    for (size_t at = 0; n > 0 && at < x.size(); at += n) {
        for (size_t i = 0; i < n; ++i) {
            double sum = 0;
            for (size_t j = 0; j < n; ++j)
                sum += q(i, j) * double(x[at + j]);
            sums[i] = sum;
        }
        std::copy(sums.begin(), sums.end(), x.begin() + std::ptrdiff_t(at));
    }
}

template<class T>
void multiplyBlocksBack(std::span<T> x, const MatrixD& q) {
    const size_t n = q.rows();
    std::vector<double> sums(n);
    for (size_t at = 0; n > 0 && at < x.size(); at += n) {
        std::fill(sums.begin(), sums.end(), 0.0);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                sums[j] += q(i, j) * double(x[at + i]);
        std::copy(sums.begin(), sums.end(), x.begin() + std::ptrdiff_t(at));
    }
}

template<class T>
void applySigns(std::span<T> x, std::span<const float> signs) {
    for (size_t i = 0; i < x.size(); ++i)
        x[i] *= T(signs[i]);
}

} // namespace

size_t powerOfTwoIn(size_t n) {
    return n & (~n + 1);
}

template<class T>
void rotateBlocks(std::span<T> x, std::span<const float> signs, const MatrixD& orthogonal) {
    const size_t power = powerOfTwoIn(x.size());
    applySigns(x, signs);
    hadamard(x.data(), power, x.size() / power);
    multiplyBlocks(x, orthogonal);
}

template<class T>
void rotateBlocksBack(std::span<T> x, std::span<const float> signs, const MatrixD& orthogonal) {
    const size_t power = powerOfTwoIn(x.size());
    multiplyBlocksBack(x, orthogonal);
    hadamard(x.data(), power, x.size() / power);
    applySigns(x, signs);
}

template void rotateBlocks(std::span<float>, std::span<const float>, const MatrixD&);
template void rotateBlocks(std::span<double>, std::span<const float>, const MatrixD&);
template void rotateBlocksBack(std::span<float>, std::span<const float>, const MatrixD&);
template void rotateBlocksBack(std::span<double>, std::span<const float>, const MatrixD&);

} // namespace qs::linalg
