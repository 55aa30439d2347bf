// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding: which frequencies rotate the heads.
#pragma once

#include <cstddef>
#include <vector>

namespace qs {

/// Half-split pairs (i, i + dims/2) of a head's first `dims` values; unscaled inverse frequency i =
/// theta^(-2i / dims).
struct RopeSpec {
    double theta = 10000.0;
    size_t dims = 0; ///< even, at most the head dimension
    enum class Scaling {
        None,
        Linear,  ///< / factor
        Dynamic, ///< theta grows with windows beyond originalContext (NTK-aware)
        Llama3,  ///< long wavelengths / factor, short ones kept, those between blended
        Yarn,    ///< the same by number of rotations within originalContext (Peng et al. 2023)
        LongRope ///< / shortFactors or longFactors, by window length (Ding et al. 2024)
    } scaling = Scaling::None;
    double factor = 1.0;
    double originalContext = 8192;                              ///< Dynamic, Llama3, Yarn, LongRope
    double lowFrequencyFactor = 1.0, highFrequencyFactor = 4.0; ///< Llama3
    double betaFast = 32.0, betaSlow = 1.0;                     ///< Yarn
    bool truncate = true;                                       ///< Yarn: bounds of the ramp rounded outwards
    std::vector<double> shortFactors, longFactors;              ///< LongRope, [dims / 2]
    double attentionFactor = 1.0; ///< multiplies cosine and sine (Yarn, LongRope)

    /// [dims / 2] for windows of `windowLength` tokens.
    std::vector<double> inverseFrequencies(size_t windowLength) const;
    bool operator==(const RopeSpec&) const = default;
};

} // namespace qs
