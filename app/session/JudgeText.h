// SPDX-License-Identifier: GPL-3.0-or-later
// One text through the original and the runs: teacher-forced (what each expected at every token) and greedy
// (how each goes on). Workers' functions; results are snapshots.
#pragma once

#include "app/jobs/JobRecord.h"
#include "app/session/Requests.h"
#include "core/evaluate/token_compare.h"

#include <QStringList>

namespace qs::app {

struct TextModel {
    char letter = 'A';
    std::shared_ptr<const Run> run; ///< null: the original
};

struct PassageRequest {
    std::shared_ptr<const Model> model;
    std::vector<TextModel> models; ///< the original first
    std::vector<int32_t> ids;      ///< empty: `text` is encoded
    QString text;
    size_t most = 512; ///< tokens of `text` that are read
};

struct Passage {
    std::vector<char> letters;
    TokenComparison comparison;
    QStringList pieces; ///< of comparison.ids
};

Result<Passage> comparePassage(const PassageRequest& request, Backend& backend, const JobContext& job);

/// One more token of one model, published while the job runs.
struct GreedyToken {
    size_t model = 0; ///< index into PassageRequest::models
    int id = 0;
    QString piece;
};

struct GreedyTexts {
    std::vector<char> letters;
    std::vector<int32_t> prompt;
    QStringList promptPieces;
    std::vector<std::vector<int>> made; ///< [models]
};

/// Always the most likely token, at most `tokens` of them, one model after the other; the same ids as the
/// command `generate`.
Result<GreedyTexts> continueGreedily(const PassageRequest& request, size_t tokens, const JobScope& scope);

/// Pieces of text of one window; a worker's work, decoding is not free.
QStringList piecesOf(const Tokenizer& tokenizer, std::span<const int32_t> ids);

} // namespace qs::app
