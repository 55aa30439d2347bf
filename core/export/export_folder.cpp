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

void setConfigDtype(nlohmann::ordered_json& config, DType type) {
    const char* name = type == DType::F32 ? "float32" : type == DType::F16 ? "float16" : "bfloat16";
    const bool newKey = config.contains("dtype") && !config.contains("torch_dtype"); // transformers 5
    config[newKey ? "dtype" : "torch_dtype"] = name;
    if (config.contains("dtype")) config["dtype"] = name;
}

Result<void> writeFolderFiles(const Checkpoint& source, const nlohmann::ordered_json* config,
                              const std::string& sidecar, const fs::path& into) {
    const fs::path from = companionFolder(source);
    if (!from.empty()) {
        // Ours, of an earlier export that is now the source; they would describe the wrong weights.
        QS_CHECK(
            copyCompanionFiles(from, into, {"quantoscope.json", "receipt.json", "quantize_config.json"}));
    }
    if (config) {
        QS_CHECK(writeFileAtomically(into / "config.json", config->dump(2) + "\n"));
    } else if (source.hasConfig() && from.empty()) {
        QS_CHECK(writeFileAtomically(into / "config.json", source.config().dump(2) + "\n"));
    } else if (source.hasConfig()) {
        QS_TRY(const std::string text, readTextFile(from / "config.json", kMaxConfigBytes));
        QS_CHECK(writeFileAtomically(into / "config.json", text));
    }
    return writeFileAtomically(into / "quantoscope.json", sidecar);
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
