// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/FuzzyIndex.h"

#include <algorithm>
#include <utility>

namespace qs::ui {

namespace {

constexpr int kLetter = 1, kRun = 4, kStart = 6, kWhole = 20;
constexpr int kLengthScale = 64; ///< a name of this length loses one point against an empty one

bool isPartStart(QStringView name, qsizetype at) {
    return at == 0 || !name[at - 1].isLetterOrNumber();
}

/// Where `word` stands in `name`, -1: nowhere. For short texts the calls of a general search cost more than
/// the search.
qsizetype find(QStringView name, QStringView word) {
    const qsizetype last = name.size() - word.size();
    for (qsizetype i = 0; i <= last; ++i)
        if (name[i] == word[0] && std::equal(word.begin() + 1, word.end(), name.begin() + i + 1)) return i;
    return -1;
}

/// The word as it stands, or its letters greedily from the left; 0 when they do not occur in this order.
int wordScore(QStringView name, QStringView word) {
    if (const qsizetype at = find(name, word); at >= 0) {
        const bool start = isPartStart(name, at);
        const qsizetype end = at + word.size();
        const bool whole = start && (end == name.size() || !name[end].isLetterOrNumber());
        return int(word.size()) * (kLetter + kRun) + (start ? kStart : 0) + (whole ? kWhole : 0);
    }
    int score = 0;
    qsizetype from = 0;
    for (const QChar c : word) {
        qsizetype at = from;
        while (at < name.size() && name[at] != c)
            ++at;
        if (at == name.size()) return 0;
        score += kLetter;
        if (at == from && from > 0)
            score += kRun;
        else if (isPartStart(name, at))
            score += kStart;
        from = at + 1;
    }
    return score;
}

} // namespace

int fuzzyScore(QStringView name, QStringView query) {
    int score = 1;
    for (const QStringView word : QStringTokenizer(query, u' ', Qt::SkipEmptyParts)) {
        const int s = wordScore(name, word);
        if (s == 0) return 0;
        score += s;
    }
    // Points in 64ths, so that length only decides between equals.
    return std::max(1, score * kLengthScale - int(std::min<qsizetype>(name.size(), kLengthScale - 1)));
}

std::vector<FuzzyMatch> FuzzySearch::best(const NameIndex& names, const QString& query, size_t most) {
    const QString lower = query.toLower();
    const bool goesOn = !m_matching.query.isEmpty() && lower.startsWith(m_matching.query);
    const std::vector<int> before = std::exchange(m_matching, {lower, {}}).rows;
    std::vector<FuzzyMatch> heap; // the worst of the best on top
    const auto better = [](const FuzzyMatch& a, const FuzzyMatch& b) {
        return a.score != b.score ? a.score > b.score : a.row < b.row;
    };
    const size_t count = goesOn ? before.size() : names.size();
    for (size_t i = 0; i < count; ++i) {
        const int row = goesOn ? before[i] : int(i);
        const int score = fuzzyScore(names.at(size_t(row)), lower);
        if (score == 0) continue;
        m_matching.rows.push_back(row);
        const FuzzyMatch match{row, score};
        if (heap.size() == most) {
            if (most == 0 || !better(match, heap.front())) continue;
            std::pop_heap(heap.begin(), heap.end(), better);
            heap.pop_back();
        }
        heap.push_back(match);
        std::push_heap(heap.begin(), heap.end(), better);
    }
    std::sort_heap(heap.begin(), heap.end(), better);
    return heap;
}

} // namespace qs::ui
