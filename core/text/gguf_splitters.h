// SPDX-License-Identifier: Apache-2.0
// What the names in tokenizer.ggml.pre stand for. The names come from llama.cpp's converter, the expressions
// from the tokenizer.json of the models that the names were made for.
#pragma once

#include "core/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace qs::text {

struct GgufSplitter {
    std::vector<const char*> names;
    std::vector<const char*> patterns;       ///< the text is cut at the first, its parts at the second, ...
    bool nfc = false;                        ///< the model's own tokenizer composes characters first
    bool ignoreMerges = false;               ///< a word that is a piece becomes that piece
    bool addBos = false;                     ///< when tokenizer.ggml.add_bos_token is absent
    std::vector<const char*> published = {}; ///< in the model's tokenizer.json, where they are put otherwise
};

/// By name, "" = "default". Error::unsupported lists the names that are known.
Result<const GgufSplitter*> findGgufSplitter(std::string_view name);
/// By what a tokenizer.json says; nullptr when no name stands for exactly that.
const GgufSplitter* matchGgufSplitter(const std::vector<std::string>& patterns, bool nfc, bool ignoreMerges);

/// The runs that the pre-tokenizers Punctuation (contiguous) and Digits find, as the tables here put them.
extern const char* const kPunctuationRuns;
extern const char* const kDigitRuns;
extern const char* const kSingleDigits;

} // namespace qs::text
