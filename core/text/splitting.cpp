// SPDX-License-Identifier: Apache-2.0
#include "core/text/splitting.h"

#include "core/text/json_fields.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace qs::text {

Result<SplitBehavior> parseSplitBehavior(const nlohmann::json& object, const char* key,
                                         const std::string& where) {
    QS_TRY(const std::string name, stringField(object, key, where));
    if (name == "Removed") return SplitBehavior::Removed;
    if (name == "Isolated") return SplitBehavior::Isolated;
    if (name == "MergedWithPrevious") return SplitBehavior::MergedWithPrevious;
    if (name == "MergedWithNext") return SplitBehavior::MergedWithNext;
    if (name == "Contiguous") return SplitBehavior::Contiguous;
    return Error::unsupported(fmt::format("'{}' value '{}' is not supported", key, name), where);
}

namespace {

// Joins neighbours in place: `joins(isMatch, previousIsMatch)` says whether a stretch is added to the one
// before it.
template<class It, class F>
std::vector<Stretch> fold(It first, It last, F joins) {
    std::vector<Stretch> out;
    bool previous = false;
    for (; first != last; ++first) {
        if (joins(first->isMatch, previous) && !out.empty()) {
            out.back().begin = std::min(out.back().begin, first->begin);
            out.back().end = std::max(out.back().end, first->end);
        } else {
            out.push_back(*first);
        }
        previous = first->isMatch;
    }
    return out;
}

void append(const Piece& piece, const Stretch& s, std::vector<Piece>& out) {
    if (s.end > s.begin)
        out.push_back({piece.begin + s.begin, piece.begin + s.end, -1, piece.atStart && s.begin == 0});
}

} // namespace

void cutPiece(const Piece& piece, const std::vector<Stretch>& stretches, SplitBehavior behavior,
              std::vector<Piece>& out) {
    const auto mergesMatch = [](bool isMatch, bool previous) { return isMatch && !previous; };
    std::vector<Stretch> joined;
    switch (behavior) {
    case SplitBehavior::Removed:
    case SplitBehavior::Isolated:
        for (const Stretch& s : stretches)
            if (behavior == SplitBehavior::Isolated || !s.isMatch) append(piece, s, out);
        return;
    case SplitBehavior::Contiguous:
        joined = fold(stretches.begin(), stretches.end(),
                      [](bool isMatch, bool previous) { return isMatch == previous; });
        break;
    case SplitBehavior::MergedWithPrevious:
        joined = fold(stretches.begin(), stretches.end(), mergesMatch);
        break;
    case SplitBehavior::MergedWithNext:
        joined = fold(stretches.rbegin(), stretches.rend(), mergesMatch);
        std::reverse(joined.begin(), joined.end());
        break;
    }
    for (const Stretch& s : joined)
        append(piece, s, out);
}

} // namespace qs::text
