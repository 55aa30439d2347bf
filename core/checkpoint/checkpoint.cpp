// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/checkpoint.h"

#include "core/checkpoint/reader.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <new>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr size_t kSampleBytes = 4096;
constexpr size_t kSampledTensors = 2048;
constexpr size_t kMaxListed = 1000; // files of a folder that are looked at for an error's sake

NameIndex indexOf(const std::vector<TensorInfo>& tensors) {
    std::vector<std::string_view> names;
    names.reserve(tensors.size());
    for (const TensorInfo& t : tensors)
        names.push_back(t.name);
    return NameIndex(std::move(names));
}

/// Weight files of other programs, to say what was found rather than "nothing".
constexpr std::pair<std::string_view, std::string_view> kForeign[] = {
    {".onnx", "ONNX"}, {".msgpack", "Flax"}, {".npz", "NumPy"}};

std::string_view foreignFormat(const fs::path& path) {
    const std::string ending = lowerExtension(path);
    for (const auto& [extension, format] : kForeign)
        if (ending == extension) return format;
    return {};
}

std::string supportedFormats() {
    std::string out;
    for (const ReaderDescriptor* r : readers())
        out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", r->label, fmt::join(r->extensions, ", "));
    return out;
}

bool opensAlone(const fs::path& file) {
    return std::any_of(readers().begin(), readers().end(),
                       [&](const ReaderDescriptor* r) { return r->accepts(file); });
}

std::string firstNames(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    names.resize(std::min<size_t>(names.size(), 5));
    return fmt::format("{}", fmt::join(names, ", "));
}

Error nothingInFolder(const fs::path& folder) {
    std::vector<std::string> found, single;
    std::error_code ec;
    size_t seen = 0;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end && ++seen <= kMaxListed;
         it.increment(ec)) {
        const std::string name = it->path().filename().string();
        if (const auto format = foreignFormat(it->path()); !format.empty())
            found.push_back(fmt::format("{} ({})", name, format));
        else if (opensAlone(it->path()))
            single.push_back(name);
    }
    if (ec) return Error::io("cannot list the folder: " + ec.message(), folder.string());
    if (!single.empty())
        return Error::notFound(
            "the folder has no weights under the names of a model; these files can be opened by "
            "themselves: " +
                firstNames(std::move(single)),
            folder.string());
    if (found.empty())
        return Error::notFound(
            "no weights in this folder; looked for model.safetensors, "
            "model.safetensors.index.json, any other "
            ".safetensors or .gguf file, pytorch_model.bin and pytorch_model.bin.index.json",
            folder.string());
    return Error::unsupported(fmt::format("the weights found are not supported yet: {}; supported: {}",
                                          firstNames(std::move(found)), supportedFormats()),
                              folder.string());
}

Error notAModel(const fs::path& path) {
    const std::string_view format = foreignFormat(path);
    if (format.empty())
        return Error::unsupported("not a weight file; supported: " + supportedFormats(), path.string());
    return Error::unsupported(
        fmt::format("{} files are not supported yet; supported: {}", format, supportedFormats()),
        path.string());
}

/// Without a trailing slash, so that the last component is the name.
fs::path tidy(const fs::path& path) {
    std::error_code ec;
    fs::path p = path.lexically_normal();
    if (p == "." || p == "./" || p == "..") p = fs::absolute(path, ec).lexically_normal();
    return p.has_filename() || !p.has_relative_path() ? p : p.parent_path();
}

Result<std::shared_ptr<const Checkpoint>> openUnguarded(const fs::path& path) {
    std::error_code ec;
    const fs::file_status status = fs::status(path, ec);
    if (status.type() == fs::file_type::not_found)
        return Error::notFound("no such file or folder", path.string());
    if (status.type() == fs::file_type::none)
        return Error::io("cannot access: " + ec.message(), path.string());
    for (const ReaderDescriptor* reader : readers())
        if (reader->accepts(path)) return reader->open(path);
    return fs::is_directory(status) ? nothingInFolder(path) : notAModel(path);
}

} // namespace

Result<TensorEnds> TensorSource::ends(size_t index, size_t count) const {
    QS_TRY(const auto bytes, rawBytes(index));
    const auto first = bytes.first(std::min(bytes.size(), count)), last = bytes.last(first.size());
    return TensorEnds{{first.begin(), first.end()}, {last.begin(), last.end()}};
}

Checkpoint::Checkpoint(fs::path root, std::string readerId, std::vector<TensorInfo> tensors,
                       std::unique_ptr<TensorSource> source, nlohmann::json config,
                       std::string noConfigReason)
    : root_(std::move(root))
    , readerId_(std::move(readerId))
    , tensors_(std::move(tensors))
    , byName_(indexOf(tensors_))
    , source_(std::move(source))
    , config_(std::make_unique<nlohmann::json>(std::move(config)))
    , noConfigReason_(std::move(noConfigReason)) {}

Checkpoint::~Checkpoint() = default;

std::string Checkpoint::displayName() const {
    return root_.filename().string();
}
bool Checkpoint::hasConfig() const {
    return config_->is_object();
}
std::string Checkpoint::configPlace() const {
    std::error_code ec;
    return (fs::is_directory(root_, ec) ? root_ / "config.json" : root_).string();
}
size_t Checkpoint::find(const std::string& name) const {
    return byName_.find(name);
}

Result<Matrix> Checkpoint::readMatrix(size_t index) const {
    if (index >= tensors_.size())
        return Error::invalid(fmt::format("tensor {} of {} does not exist", index, tensors_.size()),
                              root_.string());
    const TensorInfo& t = tensors_[index];
    try {
        Matrix m{size_t(t.rows()), size_t(t.cols())};
        QS_CHECK(readRows(index, 0, m.view()));
        return m;
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, fmt::format("cannot hold {} float32 values", t.elements()),
                     t.name};
    }
}

Result<Matrix> Checkpoint::readMatrix(const std::string& name) const {
    const size_t index = find(name);
    if (index == npos) return Error::notFound(fmt::format("no tensor is named '{}'", name), root_.string());
    return readMatrix(index);
}

Result<void> Checkpoint::readRows(size_t index, uint64_t firstRow, MatrixView out) const {
    auto read = source_->readRows(index, firstRow, out);
    if (!read && index < tensors_.size()) return read.takeError().at(tensors_[index].name);
    return read;
}

Result<std::span<const std::byte>> Checkpoint::rawBytes(size_t index) const {
    if (index < tensors_.size() && !tensors_[index].verbatim)
        return Error::unsupported(
            fmt::format("is stored as {} in the layout of the file, so its bytes are not its "
                        "elements in order",
                        tensors_[index].typeName()),
            tensors_[index].name);
    return source_->rawBytes(index);
}

Result<std::span<const std::byte>> Checkpoint::elementBytes(size_t index,
                                                            std::vector<std::byte>& buffer) const {
    if (index >= tensors_.size() || tensors_[index].verbatim) return rawBytes(index);
    QS_TRY(const Matrix values, readMatrix(index));
    const DType type = tensors_[index].dtype;
    try {
        buffer.resize(values.size() * size_t(dtypeInfo(type).bits / 8));
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, fmt::format("cannot hold {} values", values.size()),
                     tensors_[index].name};
    }
    if (auto stored = fromFloat(values.span(), type, buffer); !stored)
        return stored.takeError().at(tensors_[index].name);
    return std::span<const std::byte>(buffer);
}

uint64_t Checkpoint::totalBytes() const {
    uint64_t n = 0;
    for (const TensorInfo& t : tensors_)
        n += t.bytes;
    return n;
}

uint64_t Checkpoint::totalElements() const {
    uint64_t n = 0;
    for (const TensorInfo& t : tensors_)
        n += t.elements();
    return n;
}

Result<std::string> Checkpoint::fingerprint() const {
    Sha256 hash;
    std::map<std::string, uint64_t> fileSizes;
    std::error_code ec;
    const bool folder = fs::is_directory(root_, ec);
    const size_t step = (tensors_.size() + kSampledTensors - 1) / kSampledTensors;
    for (size_t i = 0; i < tensors_.size(); ++i) {
        const TensorInfo& t = tensors_[i];
        // Lengths first: two different lists of names never give the same stream.
        hash.update(fmt::format("{} {} {} [{}] {} {}\n", t.name.size(), t.name, t.typeName(),
                                fmt::join(t.shape, ","), t.file.size(), t.file));
        if (i % step == 0) {
            QS_TRY(const TensorEnds ends, source_->ends(i, kSampleBytes));
            hash.update(ends.first);
            hash.update(ends.last);
        }
        if (fileSizes.count(t.file)) continue;
        const fs::path path = (folder ? root_ : root_.parent_path()) / t.file;
        fileSizes[t.file] = fs::file_size(path, ec);
        if (ec) return Error::io("cannot stat: " + ec.message(), path.string());
    }
    for (const auto& [name, size] : fileSizes)
        hash.update(fmt::format("{} {} {}\n", name.size(), name, size));
    return hash.hex();
}

Result<std::shared_ptr<const Checkpoint>> openCheckpoint(const fs::path& path) {
    try {
        return openUnguarded(tidy(path));
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::OutOfMemory, "not enough memory for the model's headers", path.string()};
    } catch (const std::exception& e) {
        return Error::internal(e.what(), path.string());
    }
}

} // namespace qs
