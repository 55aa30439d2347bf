// SPDX-License-Identifier: Apache-2.0
// Binary-coded values: w' = offset + sum_i scales[i] b_i, b_i in {-1, +1} (METHODS G3).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace qs {

constexpr int kMostPlanes = 4;

/// The values of all codes.
struct BinaryLevels {
    std::array<double, 1 << kMostPlanes> values{};
    int count = 0;
    /// The code with the nearest value; the lowest of equals.
    uint8_t nearest(double v) const;
};

struct BinaryBasis {
    int planes = 1;                           ///< 1 .. kMostPlanes
    std::array<double, kMostPlanes> scales{}; ///< not negative, the largest first
    double offset = 0;

    /// Bit planes - 1 - i of the code is set where b_i = +1: the first plane is the highest bit.
    double value(int code) const;
    BinaryLevels levels() const;
};

/// The greedy start (offset = mean, then scale = mean|rest|, b = sign(rest), plane by plane), then at most
/// `rounds` rounds of: nearest codes; scales and offset by least squares. No round raises the error.
/// `importance`: positive weights of the squared errors; empty: all 1. values.size() >= 1, finite.
BinaryBasis fitBinary(std::span<const float> values, std::span<const float> importance, int planes,
                      int rounds);

/// The same basis with a plane in place of the offset, which becomes 0: the values of `basis` and their
/// negatives. basis.planes < kMostPlanes.
BinaryBasis offsetAsPlane(const BinaryBasis& basis);

/// Weighted squared error of nearest codes.
double binaryError(const BinaryBasis& basis, std::span<const float> values,
                   std::span<const float> importance);

} // namespace qs
