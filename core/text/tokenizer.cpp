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

Result<std::string> configBeside(const fs::path& file) {
    std::error_code ec;
    if (!fs::is_regular_file(file, ec)) return std::string();
    return readTextFile(file, kMaxConfigBytes);
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> loadTokenizer(const fs::path& folder) {
    const auto has = [&](const char* name) {
        std::error_code ec;
        return fs::is_regular_file(folder / name, ec);
    };
    QS_TRY(const std::string config, configBeside(folder / "tokenizer_config.json"));
    if (has("tokenizer.json")) return loadTokenizerJson(folder / "tokenizer.json", config);
    if (has("tokenizer.model")) return loadSentencePiece(folder / "tokenizer.model", config);
    if (has("vocab.json") && has("merges.txt")) return text::loadBpeVocabulary(folder, config);
    if (has("vocab.txt")) return text::loadWordPieceVocabulary(folder, config);
    return Error::notFound("the folder has no tokenizer: tokenizer.json, tokenizer.model, vocab.json with "
                           "merges.txt, or vocab.txt",
                           folder.string());
}

Result<std::shared_ptr<const Tokenizer>> loadTokenizerFile(const fs::path& file) {
    const fs::path folder = file.parent_path();
    QS_TRY(const std::string config, configBeside(folder / "tokenizer_config.json"));
    if (file.filename() == "vocab.json" || file.filename() == "merges.txt")
        return text::loadBpeVocabulary(folder, config);
    if (file.filename() == "vocab.txt") return text::loadWordPieceVocabulary(folder, config);
    if (file.extension() == ".json") return loadTokenizerJson(file, config);
    if (file.extension() == ".model") return loadSentencePiece(file, config);
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
    QS_TRY(const std::string text, readTextFile(file, kMaxJsonBytes));
    return text::tokenizerFromJson(text, configJson, file.filename().string(), sha256Hex(text + configJson));
}

Result<std::shared_ptr<const Tokenizer>> loadSentencePiece(const fs::path& file,
                                                           const std::string& configJson) {
    QS_TRY(const std::string bytes, readTextFile(file, kMaxModelBytes));
    return text::tokenizerFromSentencePiece(bytes, configJson, file.filename().string(),
                                            sha256Hex(bytes + configJson));
}

} // namespace qs
