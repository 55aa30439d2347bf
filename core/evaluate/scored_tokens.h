// SPDX-License-Identifier: Apache-2.0
// Which tokens an evaluation scores, and what the model is shown.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/spec.h"

#include <algorithm>

namespace qs {

/// The prediction at row `row` of the flattened windows is compared with token `target`.
struct ScoredToken {
    size_t row = 0, target = 0;
};

struct ScoredWindows {
    TokenWindows input;              ///< what the model reads
    std::vector<ScoredToken> scored; ///< ascending rows
    std::string protocol;            ///< for people

    /// How many stand in rows [0, row).
    size_t scoredBefore(size_t row) const {
        return size_t(std::ranges::lower_bound(scored, row, {}, &ScoredToken::row) - scored.begin());
    }
};

/// Next-token prediction: position t of a window predicts token t + 1; the first token is context only.
ScoredWindows nextTokens(const TokenWindows& tokens);

/// Masked-token prediction (Devlin et al. 2019, without its random and kept tokens): 15 % of the positions of
/// each window, at least one, chosen by `seed` and the window's number, are replaced by `mask`, and their
/// original tokens are scored.
ScoredWindows maskedTokens(const TokenWindows& tokens, int32_t mask, uint64_t seed);

/// What the model is measured by: nextTokens(), or maskedTokens() of an encoder. Errors: tokens outside of
/// the vocabulary, windows of fewer than 2 tokens, an encoder whose [MASK] is not known.
Result<ScoredWindows> scoredWindows(const ModelSpec& spec, const TokenWindows& tokens, uint64_t maskSeed);

} // namespace qs
