// SPDX-License-Identifier: Apache-2.0
// Paired bootstrap: is a difference of two means over the same tokens more than chance?
//
// Tokens of one window share their context and are not independent; resampling them one by one would make the
// interval too narrow. So whole windows are resampled. With d_w the mean of a - b over the tokens of window w
// (every window has the same number of tokens), resample r draws W windows with replacement and
//   m_r = 1/W sum_j d_[i(r, j)],  i(r, j) = ((x >> 32) * W) >> 32,  x = mix(mix(seed) + (r W + j + 1) G),
// with SplitMix64's increment and finalizer (Steele, Lea, Flood 2014): G = 0x9E3779B97F4A7C15 and mix(z):
//   z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;  z = (z ^ z >> 27) * 0x94D049BB133111EB;  z ^ z >> 31.
// The same seed gives the same numbers everywhere. Sources: Efron and Tibshirani, An Introduction to the
// Bootstrap (1993), percentile interval; Koehn, Statistical Significance Tests for Machine Translation
// Evaluation (2004), paired resampling. The percentile interval is somewhat narrow below 20 windows.
#pragma once

#include "core/base/job.h"

#include <cstdint>
#include <span>

namespace qs {

struct BootstrapOptions {
    size_t resamples = 10000; ///< 100 .. 1 000 000
    uint64_t seed = 0;
};

struct PairedDifference {
    double mean = 0;             ///< of a - b over all tokens
    double standardError = 0;    ///< sample standard deviation of the m_r
    double low = 0, high = 0;    ///< 2.5 and 97.5 % points of the m_r, interpolated
    double probabilityBelow = 0; ///< share of m_r below 0, equal ones counted half: that a is the smaller
    size_t windows = 0, resamples = 0;
};

/// a and b hold one value per token, window by window, `perWindow` of each. InvalidArgument when they differ
/// in size, are not whole windows, hold fewer than 2 windows or a value that is not finite. Cost: O(tokens +
/// resamples * windows), no memory but one value per resample and window; 2 ms for 64 windows.
Result<PairedDifference> pairedBootstrap(std::span<const float> a, std::span<const float> b, size_t perWindow,
                                         const BootstrapOptions& options, const JobContext& job);

} // namespace qs
