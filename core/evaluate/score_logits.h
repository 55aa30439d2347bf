// SPDX-License-Identifier: Apache-2.0
// Losses, best tokens and KL divergences of some rows of logits.
#pragma once

#include "core/evaluate/evaluate.h"
#include "core/evaluate/scored_tokens.h"

namespace qs {

/// Makes room for `count` scored tokens.
void resizeScores(Evaluation& out, size_t count, bool withReference);

/// Scores tokens [first, first + count) of `windows`, whose predictions are row `firstRow` and later ones of
/// the logits [rows, vocabulary]. With `reference` (the same rows of the original) also against it. `out` has
/// been resized.
Result<void> scoreLogits(const ScoredWindows& windows, size_t first, size_t count, size_t firstRow,
                         const Tensor& logits, const Tensor* reference, Evaluation& out, Backend& backend);

} // namespace qs
