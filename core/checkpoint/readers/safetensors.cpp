// SPDX-License-Identifier: Apache-2.0
// Reader for safetensors: a Hugging Face folder (one file, or shards with an index) or a single file. Files
// are mapped; opening reads headers only.
#include "core/checkpoint/safetensors.h"

#include "core/checkpoint/hf_folder.h"
#include "core/checkpoint/mapped_tensors.h"
#include "core/checkpoint/reader.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kId = "safetensors";

Result<void> addSafetensors(MappedTensors& out, const fs::path& path) {
    QS_TRY(auto map, MappedFile::open(path));
    QS_TRY(SafetensorsHeader header, parseSafetensorsHeader(map->bytes(), path.string()));
    std::vector<MappedTensor> tensors;
    tensors.reserve(header.entries.size());
    for (SafetensorsEntry& e : header.entries)
        tensors.push_back({std::move(e.name), e.dtype, std::move(e.shape), header.dataOffset + e.begin, {}});
    out.addFile(std::move(map), std::move(tensors));
    return {};
}

Result<std::shared_ptr<const Checkpoint>> openSharded(const fs::path& folder, const fs::path& index) {
    return openShards(folder, index, kId, addSafetensors);
}

std::vector<fs::path> filesEnding(const fs::path& folder, const std::string& ending) {
    std::vector<fs::path> found;
    std::error_code ec;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
        if (it->path().filename().string().ends_with(ending)) found.push_back(it->path());
    std::sort(found.begin(), found.end());
    return found;
}

Result<std::shared_ptr<const Checkpoint>> openFolder(const fs::path& folder) {
    std::error_code ec;
    fs::path single = folder / kSingleName;
    if (!fs::exists(single, ec)) {
        if (fs::exists(folder / kIndexName, ec)) return openSharded(folder, folder / kIndexName);
        const std::vector<fs::path> found = filesEnding(folder, ".safetensors");
        if (found.size() != 1) {
            std::string names;
            for (size_t i = 0; i < std::min<size_t>(found.size(), 8); ++i)
                names += (i ? ", " : "") + found[i].filename().string();
            if (found.size() > 8) names += ", ...";
            return Error::notFound(
                fmt::format("neither {} nor {} is there, and {} other .safetensors files do not say "
                            "which to open: {}",
                            kSingleName, kIndexName, found.size(), names),
                folder.string());
        }
        single = found[0];
    }
    MappedTensors opened;
    QS_CHECK(addSafetensors(opened, single));
    QS_TRY(nlohmann::json config, readModelConfig(folder));
    return opened.finish(folder, kId, std::move(config));
}

bool isIndexName(const fs::path& path) {
    return path.filename().string().ends_with(".safetensors.index.json");
}

Result<std::shared_ptr<const Checkpoint>> openSafetensors(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return openFolder(path);
    if (isIndexName(path))
        return openSharded(path.has_parent_path() ? path.parent_path() : fs::path("."), path);
    MappedTensors opened;
    QS_CHECK(addSafetensors(opened, path));
    return opened.finish(path, kId, nlohmann::json());
}

/// A length that can be a header's, then '{'. Files in a cache have no extension.
bool looksLikeSafetensors(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    char head[9] = {};
    if (!in.read(head, sizeof head)) return false;
    uint64_t length = 0;
    std::memcpy(&length, head, sizeof length);
    return length >= 2 && length <= 100'000'000 && head[8] == '{';
}

bool acceptsSafetensors(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec))
        return fs::exists(path / kIndexName, ec) || !filesEnding(path, ".safetensors").empty();
    if (!fs::is_regular_file(path, ec)) return false;
    return path.extension() == ".safetensors" || isIndexName(path) || looksLikeSafetensors(path);
}

} // namespace

const ReaderDescriptor& reader_safetensors() {
    static const ReaderDescriptor descriptor{
        kId,
        "Safetensors",
        "Hugging Face folders with model.safetensors or shards with an index, and single .safetensors files",
        {".safetensors"},
        acceptsSafetensors,
        openSafetensors,
        "headers above 100 MB; gaps, overlaps or bytes after the data; repeated names; element types that "
        "are not listed in the format"};
    return descriptor;
}

} // namespace qs
