// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/FuzzyIndex.h"

#include <algorithm>

namespace qs::ui {

namespace {

constexpr int kLetter = 1, kRun = 4, kStart = 6, kWhole = 20;
constexpr int kLengthScale = 64; ///< a name of this length loses one point against an empty one

bool isPartStart(QStringView name, qsizetype at) {
    return at == 0 || !name[at - 1].isLetterOrNumber();
}

/// The word as it stands, or its letters greedily from the left; 0 when they do not occur in this order.
int wordScore(QStringView name, QStringView word) {
    if (const qsizetype at = name.indexOf(word); at >= 0) {
        const bool start = isPartStart(name, at);
        const qsizetype end = at + word.size();
        const bool whole = start && (end == name.size() || !name[end].isLetterOrNumber());
        return int(word.size()) * (kLetter + kRun) + (start ? kStart : 0) + (whole ? kWhole : 0);
    }
    int score = 0;
    qsizetype from = 0;
    for (const QChar c : word) {
        const qsizetype at = name.indexOf(c, from);
        if (at < 0) return 0;
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

std::vector<FuzzyMatch> fuzzyBest(const NameIndex& names, const QString& query, size_t most) {
    const QString lower = query.toLower();
    std::vector<FuzzyMatch> heap; // the worst of the best on top
    const auto better = [](const FuzzyMatch& a, const FuzzyMatch& b) {
        return a.score != b.score ? a.score > b.score : a.row < b.row;
    };
    for (size_t r = 0; r < names.size() && most > 0; ++r) {
        const int score = fuzzyScore(names.at(r), lower);
        if (score == 0) continue;
        const FuzzyMatch match{int(r), score};
        if (heap.size() == most) {
            if (!better(match, heap.front())) continue;
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
