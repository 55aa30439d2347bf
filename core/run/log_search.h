// SPDX-License-Identifier: Apache-2.0
// AdaLog's fast progressive combining search (Wu et al. 2024, arXiv:2407.12951) for the base, the range and
// the shift of a log grid: the ones with the least squared error on values that a model shows.
#pragma once

#include "core/base/job.h"
#include "core/codec/row_rounder.h"
#include "core/recipe/input_scheme.h"

namespace qs {

/// The least sum of importance_c (x' - x)^2 over rows [n, channels], each rounded by itself; `importance`
/// [channels], empty: 1. `format` is a log grid, whose own choice it starts from. With a sign and no shift,
/// or without a sign and shifted by a share of the largest -x, which is 1 for outputs of a GELU.
///
/// Every triple of a coarse grid is tried: bases 8 q / 74 up to 148, ranges 0.2 to 1.2 in steps of 0.2,
/// shares 0 to 1 in quarters. Around the best four, steps are halved, and the triples one step to either side
/// tried; then again around the best four of all, until a base changes by 2 / 74. The best; the first of
/// equals.
Result<RowChoice> searchLogGrid(const InputScheme& format, ConstMatrixView rows,
                                std::span<const double> importance, const JobContext& job);

} // namespace qs
