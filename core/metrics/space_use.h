// SPDX-License-Identifier: Apache-2.0
// How well values fill the space that a quantizer with one scale has for them.
#pragma once

#include "core/metrics/channel_stats.h"

namespace qs {

/// Distance of the channels' magnitudes l_j (root mean square) from a flat line g of the same length, ||l -
/// g|| /
/// ||l||, g_j = ||l|| / sqrt(n): 0 when all are equal, toward sqrt 2 when one has it all. 0 without values.
/// After Sun et al. 2024, arXiv:2410.09426 (FlatQuant).
double flatness(const ChannelStats& stats);

/// Quantization space utilization rate (Hu et al. 2025, arXiv:2501.13987, OSTQuant) as log2(rate) / channels.
/// The rate is the volume of the ellipsoid that holds 99 % of a normal distribution with the inputs'
/// covariance,
///   pi^(d/2) / Gamma(d/2 + 1) chi2_d(0.99)^(d/2) sqrt(det C),
/// over that of the cube that the quantizer covers, (2 max|x|)^d. chi2_d by Wilson and Hilferty's
/// approximation. Normal channels that are alike: about -1.1; one less is a bit of every channel lost.
/// `sigma` [d, d]: sum x x^T over `tokens`; `stats`: means and largest magnitudes of the same. NaN when the
/// covariance is singular (fewer tokens than channels, a channel that is constant). d^3 / 3 flops.
double spaceUse(const MatrixD& sigma, uint64_t tokens, const ChannelStats& stats);

} // namespace qs
