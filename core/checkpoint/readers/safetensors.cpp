// SPDX-License-Identifier: Apache-2.0
// Reader for safetensors: a Hugging Face folder (one file, or shards with an index) or a single file. Files
// are mapped; opening reads headers only.
#include "core/checkpoint/safetensors.h"

#include "core/checkpoint/hf_folder.h"
#include "core/checkpoint/name_index.h"
#include "core/checkpoint/reader.h"
#include "core/checkpoint/safetensors_index.h"

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
constexpr size_t kMaxIndexBytes = size_t(256) << 20;

struct Slot {
    uint32_t file = 0;
    DType dtype = DType::F32;
    uint64_t offset = 0; // in the file
    uint64_t bytes = 0, rows = 0, cols = 0;
};

class SafetensorsSource final : public TensorSource {
public:
    std::vector<std::shared_ptr<const MappedFile>> files;
    std::vector<Slot> slots;

    Result<std::span<const std::byte>> rawBytes(size_t index) const override {
        if (index >= slots.size())
            return Error::invalid(fmt::format("tensor {} of {} does not exist", index, slots.size()));
        const Slot& s = slots[index];
        const MappedFile& file = *files[s.file];
        QS_CHECK(file.stillIntact()); // a page past the end of a shrunken file would kill the process
        return file.bytes().subspan(s.offset, s.bytes);
    }

    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const override {
        QS_TRY(const auto bytes, rawBytes(index));
        const Slot& s = slots[index];
        if (out.cols != s.cols || firstRow > s.rows || out.rows > s.rows - firstRow)
            return Error::invalid(fmt::format("rows {} to {} of {} columns asked of a tensor of {} x {}",
                                              firstRow, firstRow + out.rows, out.cols, s.rows, s.cols));
        if (out.size() == 0) return {};
        const size_t rowBytes = size_t(s.cols) * size_t(dtypeInfo(s.dtype).bits / 8);
        const auto wanted = bytes.subspan(size_t(firstRow) * rowBytes, out.rows * rowBytes);
        if (wanted.size() >= size_t(1) << 20)
            files[s.file]->willNeed(s.offset + firstRow * rowBytes, wanted.size());
        if (out.contiguous()) return toFloat(s.dtype, wanted, {out.data, out.size()});
        for (size_t r = 0; r < out.rows; ++r)
            QS_CHECK(toFloat(s.dtype, wanted.subspan(r * rowBytes, rowBytes), out.rowSpan(r)));
        return {};
    }
};

struct Opened {
    std::vector<TensorInfo> tensors;
    std::unique_ptr<SafetensorsSource> source = std::make_unique<SafetensorsSource>();

    Result<void> addFile(const fs::path& path) {
        QS_TRY(auto map, MappedFile::open(path));
        QS_TRY(SafetensorsHeader header, parseSafetensorsHeader(map->bytes(), path.string()));
        const uint32_t file = uint32_t(source->files.size());
        const std::string name = path.filename().string();
        tensors.reserve(tensors.size() + header.entries.size());
        for (SafetensorsEntry& e : header.entries) {
            TensorInfo t{std::move(e.name), e.dtype, std::move(e.shape), e.end - e.begin, name};
            source->slots.push_back(
                {file, t.dtype, header.dataOffset + e.begin, t.bytes, t.rows(), t.cols()});
            tensors.push_back(std::move(t));
        }
        source->files.push_back(std::move(map));
        return {};
    }

    NameIndex names() const {
        std::vector<std::string_view> list;
        list.reserve(tensors.size());
        for (const TensorInfo& t : tensors)
            list.push_back(t.name);
        return NameIndex(std::move(list));
    }
};

Result<std::shared_ptr<const Checkpoint>> finish(const fs::path& root, Opened opened, nlohmann::json config) {
    if (opened.tensors.empty()) return Error::corrupt("the file holds no tensors", root.string());
    return std::shared_ptr<const Checkpoint>(std::make_shared<Checkpoint>(
        root, "safetensors", std::move(opened.tensors), std::move(opened.source), std::move(config)));
}

/// The map's promises against the shards' own headers.
Result<void> checkIndex(const SafetensorsIndex& index, const Opened& opened, const std::string& where) {
    const NameIndex names = opened.names();
    if (const auto [a, b] = names.duplicate(); a != NameIndex::npos)
        return Error::corrupt(fmt::format("tensor '{}' is in two shards, {} and {}", opened.tensors[a].name,
                                          opened.tensors[a].file, opened.tensors[b].file),
                              where);
    for (const auto& e : index.entries) {
        const std::string& shard = index.shards[e.shard];
        const size_t i = names.find(e.tensor);
        if (i == NameIndex::npos || opened.tensors[i].file != shard)
            return Error::corrupt(fmt::format("tensor '{}' should be in {}, but {}", e.tensor, shard,
                                              i == NameIndex::npos ? "is in none of the shards"
                                                                   : "is in " + opened.tensors[i].file),
                                  where + ": weight_map");
    }
    return {};
}

Result<std::shared_ptr<const Checkpoint>> openSharded(const fs::path& folder, const fs::path& indexPath) {
    const std::string where = indexPath.string();
    QS_TRY(auto map, MappedFile::open(indexPath));
    const auto bytes = map->bytes();
    if (bytes.size() > kMaxIndexBytes)
        return Error::corrupt(fmt::format("has {} bytes, the limit is {}", bytes.size(), kMaxIndexBytes),
                              where);
    QS_TRY(const SafetensorsIndex index,
           parseSafetensorsIndex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, where));
    std::vector<std::string> shards = index.shards;
    std::sort(shards.begin(), shards.end());
    Opened opened;
    for (const std::string& shard : shards) {
        std::error_code ec;
        if (!fs::exists(folder / shard, ec))
            return Error::notFound(
                fmt::format("shard {} ({} in all) is missing from the folder", shard, shards.size()),
                where + ": weight_map");
        QS_CHECK(opened.addFile(folder / shard));
    }
    QS_CHECK(checkIndex(index, opened, where));
    QS_TRY(nlohmann::json config, readModelConfig(folder));
    return finish(folder, std::move(opened), std::move(config));
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
    Opened opened;
    QS_CHECK(opened.addFile(single));
    QS_TRY(nlohmann::json config, readModelConfig(folder));
    return finish(folder, std::move(opened), std::move(config));
}

bool isIndexName(const fs::path& path) {
    return path.filename().string().ends_with(".safetensors.index.json");
}

Result<std::shared_ptr<const Checkpoint>> openSafetensors(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return openFolder(path);
    if (isIndexName(path))
        return openSharded(path.has_parent_path() ? path.parent_path() : fs::path("."), path);
    Opened opened;
    QS_CHECK(opened.addFile(path));
    return finish(path, std::move(opened), nlohmann::json());
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
        "safetensors",
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
