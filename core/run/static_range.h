// SPDX-License-Identifier: Apache-2.0
// One range for the inputs of a linear over all tokens, chosen on calibration text: what runtimes with static
// scales multiply with.
#pragma once

#include "core/base/job.h"
#include "core/recipe/input_scheme.h"

namespace qs {

struct ValueRange {
    float low = 0, high = 0;
};

/// `inputs.staticRange` says how; x [tokens, channels] are tokens of the text, `all` the range of every token
/// of it, with which the search begins:
///   MinMax      all
///   Percentile  the values of x between the ranks 0.01 % and 99.99 %, both sides as one where the format is
///               symmetric
///   Mse         p all, p = 1, 0.99, ..., 0.2, with the least squared error over x
///   Kl          p all, p = 1/16 .. 1 of a histogram of 2048 bins over the magnitudes of x: the one whose
///               histogram, with what is outside put into the last bin, diverges least from that of its
///               rounded values, spread evenly over the bins that held any (Migacz, 8-bit inference with
///               TensorRT, GTC 2017)
/// Some 80 (Mse) roundings of x, or 250 of 2048 values (Kl).
Result<FixedRange> searchStaticRange(const InputScheme& inputs, ConstMatrixView x, ValueRange all,
                                     const JobContext& job);

} // namespace qs
