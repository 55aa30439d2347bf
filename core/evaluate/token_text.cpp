// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/token_text.h"

namespace qs {

namespace {

/// Enough for the spaces that decoders move between neighbours.
constexpr size_t kReach = 8;

std::string decoded(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
    auto text = tokenizer.decode(std::vector<int>(ids.begin(), ids.end()));
    return text ? std::move(text).value() : std::string();
}

std::string pieceOf(const Tokenizer& tokenizer, std::span<const int32_t> ids, size_t i) {
    const size_t first = i > kReach ? i - kReach : 0;
    const std::string before = decoded(tokenizer, ids.subspan(first, i - first)),
                      all = decoded(tokenizer, ids.subspan(first, i - first + 1));
    // A character that is not complete yet decodes to U+FFFD, which the next token replaces.
    const bool grows =
        all.size() > before.size() && all.starts_with(before) && !all.ends_with("\xEF\xBF\xBD");
    return grows ? all.substr(before.size()) : tokenizer.display(ids[i]);
}

} // namespace

std::vector<std::string> tokenTexts(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
    std::vector<std::string> out;
    out.reserve(ids.size());
    for (size_t i = 0; i < ids.size(); ++i)
        out.push_back(pieceOf(tokenizer, ids, i));
    return out;
}

TokenContext tokenContext(const Evaluation& e, const Tokenizer& tokenizer, size_t scored,
                          size_t tokensBefore) {
    TokenContext c;
    const size_t at = size_t(e.tokenAt[scored]), length = e.windowLength();
    c.window = at / length;
    c.position = at % length;
    const std::span<const int32_t> ids(e.text->row(c.window), length);
    const size_t first = c.position > tokensBefore ? c.position - tokensBefore : 0;
    c.before = decoded(tokenizer, ids.subspan(first, c.position - first));
    c.token = pieceOf(tokenizer, ids, c.position);
    return c;
}

} // namespace qs
