// SPDX-License-Identifier: Apache-2.0
// The vocabulary of a GGUF file (keys tokenizer.ggml.*) as the reader found it, and the tokenizer it
// describes. Source of the rules: llama-vocab.cpp of llama.cpp and the converter convert_hf_to_gguf.py.
#pragma once

#include "core/text/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace qs::text {

/// One field per key; absent keys keep the defaults. Nothing needs to be checked before the call.
struct GgufVocabulary {
    std::string model;               ///< .model: "llama", "gpt2", "bert", "t5"; others are Error::unsupported
    std::string pre;                 ///< .pre: name of the word splitter of "gpt2", "" = "default"
    std::vector<std::string> tokens; ///< .tokens, index = id
    std::vector<float> scores;       ///< .scores, empty or one per token
    std::vector<int32_t> types;      ///< .token_type: 1 normal, 2 unknown, 3 control, 4 user-defined,
                                     ///< 5 unused, 6 byte; empty or one per token
    std::vector<std::string> merges; ///< .merges, "a b" by rank
    int bos = -1, eos = -1, unk = -1;           ///< .bos_token_id, .eos_token_id, .unknown_token_id
    int sep = -1, pad = -1;                     ///< .seperator_token_id (so spelled), .padding_token_id
    int cls = -1, mask = -1;                    ///< .cls_token_id, .mask_token_id
    std::optional<bool> addBos, addEos;         ///< .add_bos_token, .add_eos_token
    std::optional<bool> addSpacePrefix;         ///< .add_space_prefix
    std::optional<bool> removeExtraWhitespaces; ///< .remove_extra_whitespaces
    std::vector<std::byte> precompiledCharsmap; ///< .precompiled_charsmap
    std::string fingerprint; ///< goes into Tokenizer::fingerprint; "" = SHA-256 of the fields above
};

/// Error::corrupt when a field breaks a rule (named by its key), Error::unsupported for a `model` or `pre`
/// that is not known (the message lists those that are).
Result<std::shared_ptr<const Tokenizer>> tokenizerFromGguf(GgufVocabulary vocabulary);

} // namespace qs::text
