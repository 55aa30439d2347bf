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

/// A search in one index while its query is typed. A query that goes on from the one before can only match
/// rows that matched then, so that each letter looks at fewer names.
class FuzzySearch {
public:
    /// The best rows, best first, equals in the order of the index. `names` must be the same from call to
    /// call; restart() else.
    std::vector<FuzzyMatch> best(const NameIndex& names, const QString& query, size_t most);
    void restart() { m_matching = {}; }

private:
    struct Matching {
        QString query; ///< lower case; empty: nothing is known
        std::vector<int> rows;
    };
    Matching m_matching;
};

} // namespace qs::ui
