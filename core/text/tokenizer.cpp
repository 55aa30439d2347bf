// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include "core/base/file.h"
#include "core/text/loaders.h"
#include "core/text/vocabulary_files.h"

#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

// The largest published tokenizer.json has 33 MB, tokenizer.model 5 MB.
constexpr size_t kMaxJsonBytes = size_t(256) << 20;
constexpr size_t kMaxModelBytes = size_t(64) << 20;
constexpr size_t kMaxConfigBytes = size_t(64) << 20;

constexpr const char* kConfig = "tokenizer_config.json";

Result<std::string> configAmong(const NamedFiles& files) {
    return files.has(kConfig) ? files.read(kConfig, kMaxConfigBytes) : std::string();
}

Result<std::shared_ptr<const Tokenizer>> jsonTokenizer(const NamedFiles& files, const std::string& name,
                                                       const std::string& config) {
    QS_TRY(const std::string text, files.read(name, kMaxJsonBytes));
    return text::tokenizerFromJson(text, config, name, sha256Hex(text + config));
}

Result<std::shared_ptr<const Tokenizer>> sentencePiece(const NamedFiles& files, const std::string& name,
                                                       const std::string& config) {
    QS_TRY(const std::string bytes, files.read(name, kMaxModelBytes));
    return text::tokenizerFromSentencePiece(bytes, config, name, sha256Hex(bytes + config));
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> text::tokenizerAmong(const NamedFiles& files,
                                                              const std::string& place) {
    QS_TRY(const std::string config, configAmong(files));
    if (files.has("tokenizer.json")) return jsonTokenizer(files, "tokenizer.json", config);
    if (files.has("tokenizer.model")) return sentencePiece(files, "tokenizer.model", config);
    if (files.has("vocab.json") && files.has("merges.txt")) return loadBpeVocabulary(files, config);
    if (files.has("vocab.txt")) return loadWordPieceVocabulary(files, config);
    return Error::notFound("the folder has no tokenizer: tokenizer.json, tokenizer.model, vocab.json with "
                           "merges.txt, or vocab.txt",
                           place);
}

Result<std::shared_ptr<const Tokenizer>> loadTokenizer(const fs::path& folder) {
    return text::tokenizerAmong(FolderFiles(folder), folder.string());
}

Result<std::shared_ptr<const Tokenizer>> loadTokenizerFile(const fs::path& file) {
    const FolderFiles files(file.parent_path());
    const std::string name = file.filename().string();
    QS_TRY(const std::string config, configAmong(files));
    if (name == "vocab.json" || name == "merges.txt") return text::loadBpeVocabulary(files, config);
    if (name == "vocab.txt") return text::loadWordPieceVocabulary(files, config);
    if (file.extension() == ".json") return jsonTokenizer(files, name, config);
    if (file.extension() == ".model") return sentencePiece(files, name, config);
    return Error::unsupported("not a tokenizer by its name: *.json, *.model, vocab.txt or merges.txt",
                              file.string());
}

bool isTokenizerFile(const fs::path& file) {
    const std::string name = file.filename().string();
    return file.extension() == ".model" || (file.extension() == ".json" && !name.ends_with(".index.json")) ||
           name == "vocab.txt" || name == "merges.txt";
}

Result<std::shared_ptr<const Tokenizer>> loadTokenizerJson(const fs::path& file,
                                                           const std::string& configJson) {
    return jsonTokenizer(FolderFiles(file.parent_path()), file.filename().string(), configJson);
}

Result<std::shared_ptr<const Tokenizer>> loadSentencePiece(const fs::path& file,
                                                           const std::string& configJson) {
    return sentencePiece(FolderFiles(file.parent_path()), file.filename().string(), configJson);
}

} // namespace qs
