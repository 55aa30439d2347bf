// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzzy search over many names: the letters of each word must occur in the name in their order; runs, starts
// of parts and short names count more.
#pragma once

#include "widgets/models/TensorFilter.h"

#include <vector>

namespace qs::ui {

struct FuzzyMatch {
    int row = -1;
    int score = 0; ///< higher is better; comparable between indexes
};

/// 0: no match. `lowerName` and `lowerQuery` are lower case; the words of the query, set apart by spaces, may
/// match in any order. An empty query matches everything with 1.
int fuzzyScore(QStringView lowerName, QStringView lowerQuery);

/// The best rows, best first, equals in the order of the index.
std::vector<FuzzyMatch> fuzzyBest(const NameIndex& names, const QString& query, size_t most);

} // namespace qs::ui
