// SPDX-License-Identifier: Apache-2.0
// Does a vocabulary that was rewritten for GGUF still cut texts as before?
#include "core/text/gguf_export.h"

#include <fmt/format.h>

namespace qs::text {

std::string differentlyTokenized(const Tokenizer& a, const Tokenizer& b) {
    static const char* const kTexts[] = {
        "Hello, world! It's the 1st of 12 days in 2024, 3.14159 and 1000000.",
        "  two  spaces, a\ttab,\n a line\n\n\nand   more \n ",
        "don't we'll I'M they'RE 'quoted' \"text\" (brackets) [list] {x: 1} a+b=c <tag> $5 ~ ^ ` | \\",
        "na\u00efve caf\u00e9 e\u0301 \u00c5ngstr\u00f6m stra\u00dfe \u0130stanbul \ufb01ne",
        "\u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u03b5\u03bb\u03bb \u05e2\u05d1\u05e8 "
        "\u0639\u0631\u0628\u064a "
        "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22",
        "\u4e2d\u6587\u5b57\u7b26\u3001\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \ud55c\uad6d\uc5b4",
        "\U0001F600\U0001F468\u200D\U0001F469\u200D\U0001F467 \u2603\uFE0F \u00a0\u2028 \u200b end",
        "camelCase snake_case UPPER x1y2z3 http://a.b/c?d=e&f#g \xff\xfe",
        "int main() {\n    return 0; // ok\n}\n",
        "",
        " ",
        "\n",
    };
    for (const char* text : kTexts) {
        const auto x = a.encode(text), y = b.encode(text);
        if (x.has_value() != y.has_value() || (x && *x != *y)) return *text ? text : "(the empty text)";
    }
    return {};
}

Result<void> requireSameTokens(const GgufVocabulary& vocabulary, const Tokenizer& tokenizer) {
    QS_TRY(const auto made, tokenizerFromGguf(vocabulary));
    const std::string text = differentlyTokenized(*made, tokenizer);
    if (text.empty()) return {};
    return Error::unsupported(fmt::format("as a GGUF vocabulary it makes other ids of '{}'", text),
                              "tokenizer.json");
}

} // namespace qs::text
