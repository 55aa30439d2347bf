// SPDX-License-Identifier: Apache-2.0
// Numbers of the normal distribution, the same on every machine (those of the standard library are not).
#pragma once

#include <cmath>
#include <numbers>
#include <random>

namespace qs {

/// One N(0, 1) number by Box and Muller, from two draws.
inline double gaussian(std::mt19937_64& random) {
    const auto uniform = [&] { return (double(random() >> 11) + 0.5) * 0x1.0p-53; };
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

} // namespace qs
