// SPDX-License-Identifier: Apache-2.0
// Tokenizers from before tokenizer.json: GPT-2's vocab.json with merges.txt, and BERT's vocab.txt.
// What surrounds the vocabulary follows from tokenizer_class in tokenizer_config.json.
#pragma once

#include "core/base/named_files.h"
#include "core/text/tokenizer.h"

namespace qs::text {

/// vocab.json + merges.txt: byte-level BPE. Classes: GPT2, CodeGen (also when none is named), Roberta, Bart,
/// Longformer, LED (all "Tokenizer" or "TokenizerFast"), Qwen2; others are Error::unsupported.
/// `config` is tokenizer_config.json's text or "".
Result<std::shared_ptr<const Tokenizer>> loadBpeVocabulary(const NamedFiles& files,
                                                           const std::string& config);
/// vocab.txt: WordPiece. do_lower_case (true when absent), strip_accents, tokenize_chinese_chars and the
/// names of the special tokens are read from `config`. Classes: Bert, DistilBert, Electra, MobileBert (also
/// when none is named); others are Error::unsupported.
Result<std::shared_ptr<const Tokenizer>> loadWordPieceVocabulary(const NamedFiles& files,
                                                                 const std::string& config);

} // namespace qs::text
