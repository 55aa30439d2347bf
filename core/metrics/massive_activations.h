// SPDX-License-Identifier: Apache-2.0
// Single activations that are far larger than all others of their matrix (Sun et al. 2024, "Massive
// Activations in Large Language Models", arXiv 2402.17762), and how far a value is from the others of its
// token. Every function leaves NaN and infinities out.
#pragma once

#include "core/tensor/matrix.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace qs {

/// |x| >= ratio x the median magnitude of the matrix, and |x| >= floor.
///
/// The publication asks for about 1000 times the median and for more than 100, on hidden states of models of
/// 7 B parameters and more. Small models have no such values, but ordinary ones end near 10 times the median
/// in models of any size: five times that is what this program looks for unless told otherwise.
struct MassiveRule {
    double ratio = 50;
    double floor = 0;
    static MassiveRule published() { return {1000, 100}; }
    bool operator==(const MassiveRule&) const = default;
    bool passes(double magnitude, double median) const {
        return median > 0 && magnitude >= ratio * median && magnitude >= floor;
    }
};
std::string massiveRuleText(const MassiveRule& rule); ///< "50 x median", "1000 x median and 100"

/// Median of |x| over the values that are not 0 (half of a ReLU's outputs are), the mean of the two middle
/// ones when their number is even; 0 when there is none.
double medianMagnitude(std::span<const float> values);

struct MassiveActivation {
    size_t token = 0, channel = 0;
    float value = 0;
    double ratio = 0; ///< |value| / median
};

struct MassiveActivations {
    std::vector<MassiveActivation> largest; ///< by |value|, equal ones by token, then channel
    uint64_t count = 0;                     ///< all that pass the rule
    uint64_t values = 0;                    ///< finite ones of the matrix
    double median = 0;                      ///< medianMagnitude of the matrix
    double energy = 0;                      ///< share of sum x^2 that those `count` hold, 0..1
};

/// x [tokens, channels]. At most `limit` entries in `largest`.
MassiveActivations massiveActivations(ConstMatrixView x, const MassiveRule& rule, size_t limit);

/// z = (x - centre) / spread over the channels of one token, with centre the median and spread 1.4826 x the
/// median of |x - centre| (the standard deviation of a normal distribution). The usual z score cannot pass
/// sqrt(n - 1) in a row of n, because an outlier raises the deviation that it is measured by.
struct RobustScale {
    double centre = 0, spread = 0;
    double magnitude = 0; ///< medianMagnitude of the row
    /// NaN when the spread is 0.
    double z(double x) const;
};
/// One per row of x [tokens, channels].
std::vector<RobustScale> tokenScales(ConstMatrixView x);

} // namespace qs
