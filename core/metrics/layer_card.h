// SPDX-License-Identifier: Apache-2.0
// Layer card: plain rules that turn the numbers of one linear into findings worth a sentence. Pure; the
// window words them.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

namespace qs {

inline constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();

enum class ActivationsKnown {
    Yes,
    NotCalibrated, ///< calibrating would tell
    NoTokens,      ///< calibrated, but no token reached this linear
    Never,         ///< the tensor has no activation site
};

/// What is known about one linear.
struct LayerFacts {
    ActivationsKnown activations = ActivationsKnown::NotCalibrated;
    std::vector<double>
        inputEnergy; ///< [cols] sum over tokens of x^2 (the diagonal of Sigma); empty unless known
    double kurtosis = kNotKnown; ///< of the weights; Gaussian 3
    bool kept = false;           ///< stays in its source format: no errors
    bool outputError = false;    ///< the errors below are of the output (Sigma-weighted), else of the weights
    double errorNow =
        kNotKnown; ///< under the present scheme, relative, squared; NaN while its method cannot run
    double errorNearest = kNotKnown; ///< of round to nearest in the same format
    std::vector<double> groupShare;  ///< [groups] share of errorNow; empty when not known
    size_t groupSize = 0;            ///< inputs per group
};

/// One thing to say.
struct LayerFinding {
    enum class Kind {
        EnergyInFew,     ///< `channels` (largest first) hold `value` of the input energy, evenly it would be
                         ///< `other`
        EnergySpread,    ///< no channel stands out: the largest, channels[0], holds `value`
        NoActivations,   ///< see `activations`
        HeavyTails,      ///< kurtosis `value`
        LightTails,      ///< kurtosis `value`: clipping gains little
        Kept,            ///< no error
        NearestError,    ///< `value`: round to nearest, because the present method cannot run yet
        Error,           ///< error `value`; `other` that of round to nearest, NaN when it is the same method
        ErrorInOneGroup, ///< group `group` (inputs first .. last) carries `value` of it, evenly `other`;
                         ///< channels[0] has most input energy in it, when known
    };
    Kind kind = Kind::Kept;
    double value = 0, other = 0;
    std::vector<size_t> channels;
    size_t group = 0, first = 0, last = 0;
    ActivationsKnown activations = ActivationsKnown::Yes;
    bool outputError = false;
};

/// The rules, in the order of their sentences:
///   energy    channels whose energy is at least 36 times the median (6 times in amplitude, the outlier
///   rule's
///             default), at most 8 named; else the largest one
///   kurtosis  above 6 heavy, below 4 light, nothing in between
///   error     always when known
///   group     the one with the largest share, when it is at least 3 times the even share of 2 or more groups
std::vector<LayerFinding> layerFindings(const LayerFacts& facts);

} // namespace qs
