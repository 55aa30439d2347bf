// SPDX-License-Identifier: Apache-2.0
#include "core/export/export_folder.h"

#include "core/checkpoint/hf_folder.h"

#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {
constexpr size_t kMaxConfigBytes = size_t(16) << 20;
}

fs::path companionFolder(const Checkpoint& source) {
    std::error_code ec;
    return fs::is_directory(source.root(), ec) ? source.root() : fs::path();
}

Result<nlohmann::ordered_json> sourceConfig(const Checkpoint& source) {
    if (!source.hasConfig()) return nlohmann::ordered_json();
    if (companionFolder(source).empty()) return nlohmann::ordered_json(source.config()); // made from metadata
    const fs::path file = companionFolder(source) / "config.json";
    QS_TRY(const std::string text, readTextFile(file, kMaxConfigBytes));
    auto config = nlohmann::ordered_json::parse(text, nullptr, false);
    if (!config.is_object()) return Error::corrupt("must be a JSON object", file.string());
    return config;
}

Result<void> writeFolderFiles(const ExportSource& source, const nlohmann::ordered_json* config,
                              const fs::path& into) {
    const fs::path from = companionFolder(source.checkpoint());
    if (!from.empty()) {
        // Ours, of an earlier export that is now the source; they would describe the wrong weights.
        QS_CHECK(
            copyCompanionFiles(from, into, {"quantoscope.json", "receipt.json", "quantize_config.json"}));
    }
    if (config) {
        QS_CHECK(writeFileAtomically(into / "config.json", config->dump(2) + "\n"));
    } else if (source.checkpoint().hasConfig() && from.empty()) {
        QS_CHECK(writeFileAtomically(into / "config.json", source.checkpoint().config().dump(2) + "\n"));
    } else if (source.checkpoint().hasConfig()) {
        QS_TRY(const std::string text, readTextFile(from / "config.json", kMaxConfigBytes));
        QS_CHECK(writeFileAtomically(into / "config.json", text));
    }
    return writeFileAtomically(into / "quantoscope.json", source.sidecar);
}

uint64_t folderFileBytes(const Checkpoint& source) {
    uint64_t bytes = uint64_t(1) << 20;
    const fs::path from = companionFolder(source);
    if (from.empty()) return bytes;
    std::error_code ec;
    for (fs::directory_iterator it(from, ec), end; !ec && it != end; it.increment(ec)) {
        std::error_code each;
        const auto size = it->path().extension() == ".safetensors" ? 0 : fs::file_size(it->path(), each);
        if (!each) bytes += size;
    }
    return bytes;
}

} // namespace qs
