// SPDX-License-Identifier: Apache-2.0
// SmoothQuant's factors: s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), the maximum over all linears that read
// channel j, and what the paper's code keeps magnitudes and factors above, 1e-5.
#pragma once

#include "core/quant/transform/transform.h"

namespace qs {

/// A channel that never fired, or that nobody reads, gets the smallest of the others' factors. alpha 0 .. 1.
std::vector<float> smoothFactors(const TransformInput& input, double alpha);

} // namespace qs
