// SPDX-License-Identifier: Apache-2.0
// Tokenizer: text -> ids -> text. Loaded from tokenizer.json (BPE, Unigram, WordPiece, WordLevel),
// tokenizer.model (SentencePiece), vocab.json with merges.txt, vocab.txt, or the vocabulary of a GGUF file
// (gguf_vocabulary.h). Immutable after loading and thread-safe.
#pragma once

#include "core/base/result.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace qs {

class Tokenizer {
public:
    virtual ~Tokenizer() = default;

    /// Ids of `text` (UTF-8; invalid bytes are replaced by U+FFFD as the reference does). `addSpecial` runs
    /// the post-processor (BOS/EOS as the tokenizer's files say). Special tokens written in the text are
    /// matched, as in Hugging Face.
    virtual Result<std::vector<int>> encode(std::string_view text, bool addSpecial = true) const = 0;
    /// Text of ids. Unknown ids are an error. `skipSpecial` leaves out special tokens.
    virtual Result<std::string> decode(const std::vector<int>& ids, bool skipSpecial = true) const = 0;
    /// The vocabulary's own spelling of one id ("▁the", "Ġthe", "<0x0A>"), "" when unknown.
    virtual std::string piece(int id) const = 0;
    /// One id as a person reads it: decoded bytes, with invisible characters made visible.
    virtual std::string display(int id) const = 0;

    virtual int vocabularySize() const = 0;
    /// Id of BOS / EOS, -1 when there is none.
    virtual int bosId() const = 0;
    virtual int eosId() const = 0;
    /// "tokenizer.json (BPE, byte-level)".
    virtual std::string description() const = 0;
    /// SHA-256 of the file(s) it was loaded from; goes into calibrations and results.
    virtual std::string fingerprint() const = 0;
};

/// Loads the tokenizer of a model folder: tokenizer.json if present, else tokenizer.model, else vocab.json
/// with merges.txt, else vocab.txt; tokenizer_config.json's add_bos_token / add_eos_token / bos_token /
/// eos_token are honoured. NotFound when the folder has none of them.
Result<std::shared_ptr<const Tokenizer>> loadTokenizer(const std::filesystem::path& folder);
/// One of those files, with the tokenizer_config.json beside it; any *.json is read as tokenizer.json, any
/// *.model as tokenizer.model.
Result<std::shared_ptr<const Tokenizer>> loadTokenizerFile(const std::filesystem::path& file);
/// Whether loadTokenizerFile would read a file of this name.
bool isTokenizerFile(const std::filesystem::path& file);

/// The two file formats on their own. `configJson` is tokenizer_config.json's text or "".
Result<std::shared_ptr<const Tokenizer>> loadTokenizerJson(const std::filesystem::path& file,
                                                           const std::string& configJson = {});
Result<std::shared_ptr<const Tokenizer>> loadSentencePiece(const std::filesystem::path& file,
                                                           const std::string& configJson = {});

} // namespace qs
