// SPDX-License-Identifier: Apache-2.0
// How alike the residual stream is before and after each block, by canonical correlation.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/weights.h"

namespace qs {

/// Mean squared canonical correlation of x and y, [tokens, width] each, around their means:
/// tr(Cxx^-1 Cxy Cyy^-1 Cyx) / width, 0 .. 1 (R^2_CCA of Kornblith et al. 2019, arXiv:1905.00414, section 3).
/// Cxx and Cyy get a hundredth of their mean diagonal: fewer tokens than channels would correlate perfectly.
Result<double> meanSquaredCca(ConstMatrixView x, ConstMatrixView y);

/// Of every block's input and output. Memory: the hidden states of the text three times.
Result<std::vector<double>> blockCca(const ModelSpec& spec, const WeightSource& weights,
                                     const TokenWindows& text, size_t activationBudgetBytes, Backend& backend,
                                     const JobContext& job);

} // namespace qs
