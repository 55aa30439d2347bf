// SPDX-License-Identifier: Apache-2.0
// Scalar quantizers of the standard normal distribution N(0, 1) with the least mean squared error.
#pragma once

#include <vector>

namespace qs {

/// The ends -c, c of the best grid of 2^bits even levels c (2k - m) / m, m = 2^bits - 1, k = 0 .. m (QuEST's
/// clip constants). bits 1..8; exact to 1e-10.
double gaussianClip(int bits);
/// The best 2^bits levels of all (Lloyd 1957, Max 1960), ascending and symmetric: each is the mean of what is
/// nearest to it. bits 1..8; exact to 1e-10.
std::vector<double> lloydMaxLevels(int bits);
/// Mean squared error of N(0, 1) rounded to the nearest of `levels` (ascending), in closed form.
double gaussianError(const std::vector<double>& levels);
/// The levels of gaussianClip.
std::vector<double> evenLevels(double clip, int bits);

} // namespace qs
