// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include "core/base/file.h"
#include "core/text/loaders.h"

#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

// The largest published tokenizer.json has 33 MB, tokenizer.model 5 MB.
constexpr size_t kMaxJsonBytes = size_t(256) << 20;
constexpr size_t kMaxModelBytes = size_t(64) << 20;
constexpr size_t kMaxConfigBytes = size_t(64) << 20;

} // namespace

Result<std::shared_ptr<const Tokenizer>> loadTokenizer(const fs::path& folder) {
    const auto exists = [](const fs::path& p) {
        std::error_code ec;
        return fs::is_regular_file(p, ec);
    };
    std::string config;
    if (const fs::path p = folder / "tokenizer_config.json"; exists(p)) {
        QS_TRY(config, readTextFile(p, kMaxConfigBytes));
    }
    if (const fs::path p = folder / "tokenizer.json"; exists(p)) return loadTokenizerJson(p, config);
    if (const fs::path p = folder / "tokenizer.model"; exists(p)) return loadSentencePiece(p, config);
    return Error::notFound("the folder has neither tokenizer.json nor tokenizer.model", folder.string());
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
