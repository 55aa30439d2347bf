// SPDX-License-Identifier: Apache-2.0
// Reader for the files of torch.save: pytorch_model.bin, alone, in a Hugging Face folder or as shards with an
// index, and any .bin, .pt or .pth. Files are mapped; opening reads the archive's directory and its pickle.
#include "core/checkpoint/hf_folder.h"
#include "core/checkpoint/mapped_tensors.h"
#include "core/checkpoint/reader.h"
#include "core/checkpoint/torch_file.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr const char* kId = "torch_zip";
constexpr const char* kSingleName = "pytorch_model.bin";
constexpr const char* kIndexName = "pytorch_model.bin.index.json";
const std::vector<std::string> kExtensions = {".bin", ".pt", ".pth", ".ckpt"};

Result<void> addTorchFile(MappedTensors& out, const fs::path& path) {
    QS_TRY(auto map, MappedFile::open(path));
    QS_TRY(std::vector<TorchTensor> list, readTorchFile(map->bytes(), path.string()));
    std::vector<MappedTensor> tensors;
    tensors.reserve(list.size());
    for (TorchTensor& t : list)
        tensors.push_back({std::move(t.name), t.dtype, std::move(t.shape), t.offset, std::move(t.strides)});
    out.addFile(std::move(map), std::move(tensors));
    return {};
}

bool isIndexName(const fs::path& path) {
    return path.filename().string().ends_with(".bin.index.json");
}

Result<std::shared_ptr<const Checkpoint>> openFolder(const fs::path& folder) {
    std::error_code ec;
    if (!fs::exists(folder / kSingleName, ec))
        return openShards(folder, folder / kIndexName, kId, addTorchFile);
    MappedTensors opened;
    QS_CHECK(addTorchFile(opened, folder / kSingleName));
    QS_TRY(nlohmann::json config, readModelConfig(folder));
    return opened.finish(folder, kId, std::move(config));
}

Result<std::shared_ptr<const Checkpoint>> openTorch(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return openFolder(path);
    if (isIndexName(path))
        return openShards(path.has_parent_path() ? path.parent_path() : fs::path("."), path, kId,
                          addTorchFile);
    MappedTensors opened;
    QS_CHECK(addTorchFile(opened, path));
    return opened.finish(path, kId, nlohmann::json());
}

/// .bin and .ckpt are shared with other programs: the start of a zip, a pickle or a tar decides.
bool looksLikeTorch(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    char head[262] = {};
    in.read(head, sizeof head);
    const std::string_view text(head, size_t(in.gcount()));
    return text.starts_with("PK") || text.starts_with("\x80") ||
           (text.size() == sizeof head && text.substr(257) == "ustar");
}

bool acceptsTorch(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec))
        return fs::exists(path / kSingleName, ec) || fs::exists(path / kIndexName, ec);
    if (!fs::is_regular_file(path, ec)) return false;
    if (isIndexName(path)) return true;
    const std::string ending = lowerExtension(path);
    if (ending == ".pt" || ending == ".pth" || path.filename() == kSingleName) return true;
    const bool shared = std::find(kExtensions.begin(), kExtensions.end(), ending) != kExtensions.end();
    return shared && looksLikeTorch(path);
}

} // namespace

const ReaderDescriptor& reader_torch_zip() {
    static const ReaderDescriptor descriptor{
        kId,
        "PyTorch",
        "Files of torch.save since version 1.6 and Hugging Face folders of them; the pickle inside can build "
        "data and nothing else",
        kExtensions,
        acceptsTorch,
        openTorch,
        "files from before version 1.6 and TAR archives; compressed entries; pickles that ask for anything "
        "but "
        "tensors and plain containers"};
    return descriptor;
}

} // namespace qs
