// SPDX-License-Identifier: Apache-2.0
// What the names in tokenizer.ggml.pre stand for. The names come from llama.cpp's converter, the expressions
// from the tokenizer.json of the models that the names were made for.
#pragma once

#include "core/base/result.h"

#include <string_view>
#include <vector>

namespace qs::text {

struct GgufSplitter {
    std::vector<const char*> names;
    std::vector<const char*> patterns; ///< the text is cut at the first, its parts at the second, ...
    bool nfc = false;                  ///< the model's own tokenizer composes characters first
    bool ignoreMerges = false;         ///< a word that is a piece becomes that piece
    bool addBos = false;               ///< when tokenizer.ggml.add_bos_token is absent
};

/// By name, "" = "default". Error::unsupported lists the names that are known.
Result<const GgufSplitter*> findGgufSplitter(std::string_view name);

} // namespace qs::text
