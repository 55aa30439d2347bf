// SPDX-License-Identifier: Apache-2.0
#include "core/export/carried_over.h"

#include "core/base/file.h"
#include "core/checkpoint/gguf_metadata.h"
#include "core/checkpoint/hf_folder.h"
#include "core/export/export_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

using Kind = CarriedItem::Kind;
constexpr size_t kMaxConfig = size_t(16) << 20;

constexpr std::string_view kTokenizerFiles[] = {
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json",   "vocab.json",
    "merges.txt",     "vocab.txt",       "special_tokens_map.json", "added_tokens.json"};

bool isTokenizerFile(const std::string& name) {
    return std::find(std::begin(kTokenizerFiles), std::end(kTokenizerFiles), name) !=
           std::end(kTokenizerFiles);
}

bool hasChatTemplate(const fs::path& folder, const std::vector<std::string>& names) {
    if (std::binary_search(names.begin(), names.end(), "chat_template.jinja")) return true;
    const auto text = readTextFile(folder / "tokenizer_config.json", kMaxConfig);
    if (!text) return false;
    const auto config = nlohmann::json::parse(*text, nullptr, false);
    return config.is_object() && config.contains("chat_template") && !config["chat_template"].is_null();
}

/// The files beside the weights of a source folder.
Result<void> addFiles(const fs::path& folder, bool gguf, const Model& model,
                      std::vector<CarriedItem>& items) {
    QS_TRY(const auto names,
           companionFileNames(folder, {"quantoscope.json", "receipt.json", "quantize_config.json"}));
    const auto has = [&](const char* name) { return std::binary_search(names.begin(), names.end(), name); };
    if (model.tokenizer())
        items.push_back({.kind = Kind::Tokenizer, .count = uint64_t(model.tokenizer()->vocabularySize())});
    if (hasChatTemplate(folder, names)) items.push_back({.kind = Kind::ChatTemplate});
    if (has("generation_config.json")) items.push_back({.kind = Kind::GenerationConfig, .carried = !gguf});
    CarriedItem others{.kind = Kind::OtherFiles, .carried = !gguf};
    for (const std::string& name : names) {
        if (isTokenizerFile(name) || name == "chat_template.jinja" || name == "generation_config.json")
            continue;
        std::error_code ec;
        const auto bytes = fs::file_size(folder / name, ec);
        others.files.emplace_back(name, ec ? 0 : uint64_t(bytes));
    }
    if (!others.files.empty()) items.push_back(std::move(others));
    return {};
}

/// A source that is one GGUF file has its vocabulary inside, where only GGUF has a place for it.
void addMetadata(const GgufMetadata& metadata, bool gguf, const Model& model,
                 std::vector<CarriedItem>& items) {
    if (model.tokenizer())
        items.push_back({.kind = Kind::Tokenizer,
                         .carried = gguf,
                         .count = uint64_t(model.tokenizer()->vocabularySize())});
    if (metadata.has("tokenizer.chat_template"))
        items.push_back({.kind = Kind::ChatTemplate, .carried = gguf});
}

} // namespace

Result<std::vector<CarriedItem>> carriedOver(const Model& model, const Run& run,
                                             const ExporterDescriptor& exporter) {
    const bool gguf = exporter.id == "gguf";
    std::vector<CarriedItem> items;
    const fs::path folder = companionFolder(model.checkpoint());
    if (!folder.empty())
        QS_CHECK(addFiles(folder, gguf, model, items));
    else if (const GgufMetadata* metadata = model.checkpoint().ggufMetadata())
        addMetadata(*metadata, gguf, model, items);
    if (const std::string& fingerprint = run.manifest().calibrationFingerprint; !fingerprint.empty())
        items.push_back({.kind = Kind::Calibration, .text = fingerprint});
    items.push_back({.kind = Kind::Recipe});
    std::stable_sort(items.begin(), items.end(),
                     [](const CarriedItem& a, const CarriedItem& b) { return a.kind < b.kind; });
    return items;
}

} // namespace qs
