// SPDX-License-Identifier: Apache-2.0
// A model folder's tokenizer as the vocabulary of a GGUF file: the inverse of tokenizerFromGguf. Source of
// the rules: llama.cpp's convert_hf_to_gguf.py and llama-vocab.cpp.
#pragma once

#include "core/text/gguf_vocabulary.h"

#include <filesystem>

namespace qs::text {

/// From tokenizer.json and, for the scores of SentencePiece vocabularies, tokenizer.model. `tokenizer` is the
/// one that was loaded from the folder, `rows` those of the embedding: ids that no token has become "[PADi]",
/// which is never found in a text. Unsupported with the reason: a word splitter that has no name in
/// llama.cpp, a normalizer, model or affix that GGUF cannot express, more tokens than rows. NotFound without
/// the files.
Result<GgufVocabulary> ggufVocabularyOf(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                                        size_t rows);

/// The first of some texts that are awkward on purpose (spaces, digits, scripts, emoji) of which the two make
/// different ids; "" when all are the same.
std::string differentlyTokenized(const Tokenizer& a, const Tokenizer& b);

/// The same check of what a vocabulary gives, with an error that names the text.
Result<void> requireSameTokens(const GgufVocabulary& vocabulary, const Tokenizer& tokenizer);

} // namespace qs::text
