// SPDX-License-Identifier: Apache-2.0
// Cutting pieces at matches: what becomes of the matched stretch (SplitDelimiterBehavior of Hugging Face
// tokenizers).
#pragma once

#include "core/text/pre_tokens.h"
#include "core/text/regex.h"
#include "core/text/unicode.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace qs::text {

/// "The-final--countdown" cut at '-':
enum class SplitBehavior {
    Removed,            ///< The final countdown
    Isolated,           ///< The - final - - countdown
    MergedWithPrevious, ///< The- final- - countdown
    MergedWithNext,     ///< The -final - -countdown
    Contiguous          ///< The - final -- countdown
};

/// By the names above.
Result<SplitBehavior> parseSplitBehavior(const nlohmann::json& object, const char* key,
                                         const std::string& where);

/// Turns the stretches of one piece into new pieces; empty ones are dropped.
void cutPiece(const Piece& piece, const std::vector<Stretch>& stretches, SplitBehavior behavior,
              std::vector<Piece>& out);

/// Replaces every piece that is not an added token by its parts. `find(view, out)` lists matches and what
/// lies between them.
template<class F>
Result<void> cutEach(PreTokens& tokens, SplitBehavior behavior, F find) {
    std::vector<Piece> pieces;
    pieces.reserve(tokens.pieces.size());
    std::vector<Stretch> stretches;
    for (const Piece& p : tokens.pieces) {
        if (p.token >= 0) {
            pieces.push_back(p);
            continue;
        }
        stretches.clear();
        QS_CHECK(find(tokens.view(p), stretches));
        cutPiece(p, stretches, behavior, pieces);
    }
    tokens.pieces = std::move(pieces);
    return {};
}

/// Matches every character for which `test` holds.
template<class F>
Result<void> findCharacters(std::string_view text, std::vector<Stretch>& out, F test) {
    size_t done = 0;
    for (size_t i = 0; i < text.size();) {
        const Decoded d = decodeUtf8(text, i);
        if (test(d.value)) {
            if (i > done) out.push_back({done, i, false});
            done = i + d.length;
            out.push_back({i, done, true});
        }
        i += d.length;
    }
    if (done < text.size()) out.push_back({done, text.size(), false});
    return {};
}

} // namespace qs::text
