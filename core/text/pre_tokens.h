// SPDX-License-Identifier: Apache-2.0
// PreTokens: a text on its way to ids, cut into pieces. Pieces are ranges of one buffer, so cutting copies
// nothing.
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qs::text {

/// How long a text may become while it is rewritten: components come from downloaded files, and a chain of
/// replacements can grow without bound. Real tokenizers at most quadruple it.
inline size_t growthLimit(size_t originalBytes) {
    return 32 * originalBytes + (size_t(1) << 20);
}
inline Error grewTooMuch(const std::string& where) {
    return Error::unsupported("the text grows more than 32-fold here", where);
}

struct Piece {
    size_t begin = 0, end = 0; ///< bytes of PreTokens::text
    int token = -1;            ///< id of an added token; then the piece is final
    bool atStart = false;      ///< begins where the user's text begins (Metaspace's "first")
};

struct PreTokens {
    std::string text;
    std::vector<Piece> pieces;
    size_t limit = 0; ///< see growthLimit

    std::string_view view(const Piece& p) const {
        return std::string_view(text).substr(p.begin, p.end - p.begin);
    }

    /// Rebuilds the buffer: `rewrite(piece, view, out)` appends what replaces each piece that is not an added
    /// token.
    template<class F>
    Result<void> rewriteEach(const std::string& where, F rewrite) {
        std::string out;
        out.reserve(text.size() + text.size() / 4);
        for (Piece& p : pieces) {
            const size_t begin = out.size();
            if (p.token >= 0)
                out.append(view(p));
            else
                rewrite(p, view(p), out);
            p.begin = begin;
            p.end = out.size();
            if (out.size() > limit) return grewTooMuch(where);
        }
        text = std::move(out);
        return {};
    }
};

} // namespace qs::text
