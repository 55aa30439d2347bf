// SPDX-License-Identifier: GPL-3.0-or-later
// What Text A/B shows, made from results: a held-out passage as it was measured, a text as the models read
// it, a text as they go on.
#pragma once

#include "app/pages/TextColumns.h"
#include "app/session/JudgeSet.h"
#include "app/session/JudgeText.h"
#include "widgets/views/TopTokensCard.h"

namespace qs::app {

/// "B run 3f2a91".
QString runTitle(const ComparedRun& run);

/// Held-out window `passage` with the KL and flips of the run's evaluation; no model is run. `pieces` are its
/// tokens.
ColumnText measuredText(const ComparedRun& run, int passage, const QStringList& pieces);

/// Model `index` of a passage that the models have read.
ColumnText forcedText(const Passage& passage, size_t index);

/// Greedy texts as they grow.
struct GreedyProgress {
    std::shared_ptr<const GreedyTexts> begun; ///< prompt and letters; null before the first news
    std::vector<QStringList> pieces;          ///< [models]
    std::vector<std::vector<int>> ids;        ///< [models]
};
/// The column of `letter`; the first token that differs from the original's is marked.
ColumnText greedyText(const GreedyProgress& progress, char letter);

/// The most likely tokens of every model for token `token` (1 ..) of the passage.
ui::TopTokensData mostLikelyTokens(const Passage& passage, const JudgeSet& set, int token);

} // namespace qs::app
