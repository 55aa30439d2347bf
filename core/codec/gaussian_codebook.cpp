// SPDX-License-Identifier: Apache-2.0
#include "core/codec/gaussian_codebook.h"

#include "core/linalg/kmeans.h"
#include "core/tensor/dtype.h"

#include <cmath>
#include <map>
#include <mutex>
#include <numbers>

namespace qs {

namespace {

/// Points that fill the unit cube evenly: multiples of powers of 1/g, g^(d + 1) = g + 1 (Roberts' sequence).
/// Pairs of coordinates become pairs of normal values by Box and Muller.
Matrix normalPoints(size_t count, size_t length) {
    const size_t d = length + length % 2;
    double g = 1.5;
    for (int i = 0; i < 60; ++i)
        g = std::pow(1 + g, 1 / double(d + 1));
    std::vector<double> step(d), at(d, 0.5);
    for (size_t j = 0; j < d; ++j)
        step[j] = std::pow(1 / g, double(j + 1));
    Matrix points(count, length);
    for (size_t i = 0; i < count; ++i) {
        for (double& u : at)
            u -= std::floor(u);
        for (size_t j = 0; j < length; j += 2) {
            const double radius = std::sqrt(-2 * std::log(1 - at[j]));
            const double angle = 2 * std::numbers::pi * at[j + 1];
            points(i, j) = float(radius * std::cos(angle));
            if (j + 1 < length) points(i, j + 1) = float(radius * std::sin(angle));
        }
        for (size_t j = 0; j < d; ++j)
            at[j] += step[j];
    }
    return points;
}

} // namespace

const Matrix& gaussianCodebook(size_t length, int bits) {
    static std::mutex mutex;
    static std::map<std::pair<size_t, int>, Matrix> made;
    const std::lock_guard lock(mutex);
    const auto [entry, isNew] = made.try_emplace({length, bits});
    if (!isNew) return entry->second;
    const size_t vectors = size_t(1) << bits;
    const Matrix points = normalPoints(128 * vectors, length);
    Matrix& codebook = entry->second;
    codebook =
        linalg::kMeans(points.view(), {}, {.clusters = vectors, .rounds = 60, .stop = 1e-5, .seed = 1});
    for (float& v : codebook.span())
        v = halfToFloat(floatToHalf(v));
    return codebook;
}

} // namespace qs
