// SPDX-License-Identifier: Apache-2.0
// Intervals for a grid by what values look like together: percentiles, and the divergence of histograms.
#pragma once

#include "core/codec/codec.h"

#include <span>

namespace qs {

/// What a grid is to cover; what lies outside goes to its ends. Below, `whole` is that of all values, of
/// which those given may be some.
struct Interval {
    float low = 0, high = 0;
};

/// All of the finite values but a share `outside` on either side, by rank; for a symmetric grid all
/// magnitudes but twice that share. `whole` where nothing would be left. Linear in the values.
Interval percentileInterval(const Codec& codec, std::span<const float> values, double outside,
                            Interval whole);

/// The share of the whole range, on both sides alike, with the least Kullback-Leibler divergence between the
/// histograms of magnitudes before and after rounding (TensorRT's calibration: Migacz, 8-bit inference with
/// TensorRT, 2017); an eighth as many bins as values, 128 to 2048, from a sixteenth of them on.
Interval leastDivergence(const Codec& codec, std::span<const float> values, Interval whole);

} // namespace qs
