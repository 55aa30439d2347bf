// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/exported_hdf5.h"

#include "core/base/named_files.h"
#include "core/checkpoint/exported_tensor.h"
#include "core/checkpoint/hf_folder.h"

#include <fmt/format.h>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr const char* kVersion = "1";
constexpr size_t kMaxConfigBytes = size_t(16) << 20;

class CarriedFiles final : public NamedFiles {
public:
    CarriedFiles(std::shared_ptr<const H5Import> file, std::map<std::string, const H5Node*> nodes)
        : file_(std::move(file)), nodes_(std::move(nodes)) {}

    bool has(const std::string& name) const override { return nodes_.count(name) > 0; }
    Result<std::string> read(const std::string& name, size_t maxBytes) const override {
        const auto it = nodes_.find(name);
        const std::string where = file_->path().string() + ": files: " + name;
        if (it == nodes_.end()) return Error::notFound("the file does not carry it", where);
        const uint64_t bytes = it->second->elements();
        if (bytes > maxBytes)
            return Error::unsupported(fmt::format("has {} bytes, the limit is {}", bytes, maxBytes), where);
        std::string text(size_t(bytes), '\0');
        QS_CHECK(file_->read(*it->second, 0, bytes, std::as_writable_bytes(std::span(text))));
        return text;
    }

private:
    std::shared_ptr<const H5Import> file_;
    std::map<std::string, const H5Node*> nodes_;
};

class ExportedSource final : public TensorSource {
public:
    ExportedSource(std::shared_ptr<const H5Import> file, std::vector<ExportedTensor> tensors,
                   std::shared_ptr<const NamedFiles> carried)
        : file_(std::move(file)), tensors_(std::move(tensors)), carried_(std::move(carried)) {}

    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const override {
        QS_CHECK(checkIndex(index));
        const ExportedTensor& t = tensors_[index];
        const uint64_t rows = t.info.rows();
        if (out.cols != t.info.cols() || firstRow > rows || out.rows > rows - firstRow)
            return Error::invalid(fmt::format("rows {} to {} of {} columns asked of a matrix of {} x {}",
                                              firstRow, firstRow + out.rows, out.cols, rows, t.info.cols()));
        try {
            if (t.linears.empty() || t.whole()) return readExportedRows(t, *file_, firstRow, out);
            const std::lock_guard lock(mutex_);
            QS_TRY(const Matrix* all, composed(index));
            for (size_t r = 0; r < out.rows; ++r)
                std::copy_n(all->row(size_t(firstRow) + r), out.cols, out.row(r));
            return {};
        } catch (const std::bad_alloc&) {
            return Error{ErrorCode::OutOfMemory, fmt::format("no memory for {} values", t.info.elements()),
                         t.info.name};
        }
    }

    Result<std::span<const std::byte>> rawBytes(size_t index) const override {
        QS_CHECK(checkIndex(index));
        const ExportedTensor& t = tensors_[index];
        if (!t.linears.empty()) return Error::internal("a quantized tensor has no elements of its own");
        const std::lock_guard lock(mutex_);
        const auto it = raw_.find(index);
        if (it != raw_.end()) return std::span<const std::byte>(it->second);
        QS_TRY(auto bytes, stored(*t.kept, 0, t.kept->elements()));
        return std::span<const std::byte>(raw_[index] = std::move(bytes));
    }

    Result<TensorEnds> ends(size_t index, size_t count) const override {
        QS_CHECK(checkIndex(index));
        const ExportedTensor& t = tensors_[index];
        const H5Node& node = t.linears.empty() ? *t.kept : *t.linears.front().codes;
        const uint64_t all = node.elements();
        const uint64_t n = std::min<uint64_t>(all, count * 8 / uint64_t(dtypeInfo(node.type).bits));
        TensorEnds out;
        QS_TRY(out.first, stored(node, 0, n));
        QS_TRY(out.last, stored(node, all - n, n));
        return out;
    }

    const NamedFiles* carriedFiles() const override { return carried_.get(); }

private:
    Result<void> checkIndex(size_t index) const {
        if (index < tensors_.size()) return {};
        return Error::invalid(fmt::format("tensor {} of {} does not exist", index, tensors_.size()));
    }

    Result<std::vector<std::byte>> stored(const H5Node& node, uint64_t first, uint64_t count) const {
        try {
            std::vector<std::byte> bytes(size_t(count) * size_t(dtypeInfo(node.type).bits) / 8);
            QS_CHECK(file_->read(node, first, count, bytes));
            return bytes;
        } catch (const std::bad_alloc&) {
            return Error{ErrorCode::OutOfMemory, fmt::format("no memory for {} elements", count), node.path};
        }
    }

    /// The last tensor of several parts is kept: its rows are asked for piece by piece.
    Result<const Matrix*> composed(size_t index) const {
        if (composedIndex_ != index) {
            composedIndex_ = Checkpoint::npos;
            QS_TRY(composed_, readExportedTensor(tensors_[index], *file_));
            composedIndex_ = index;
        }
        return &composed_;
    }

    std::shared_ptr<const H5Import> file_;
    std::vector<ExportedTensor> tensors_;
    std::shared_ptr<const NamedFiles> carried_;
    mutable std::mutex mutex_;
    mutable std::map<size_t, std::vector<std::byte>> raw_; // there is nothing mapped that could be pointed at
    mutable Matrix composed_;
    mutable size_t composedIndex_ = Checkpoint::npos;
};

Result<std::map<std::string, const H5Node*>> carriedNodes(const H5Objects& objects) {
    std::map<std::string, const H5Node*> nodes;
    for (const H5Node* node : objects.children("/files")) {
        QS_TRY(const std::string name, objects.attribute(*node, "name"));
        if (node->kind != H5Node::Kind::Array || node->type != DType::U8 || node->shape.size() != 1)
            return objects.corrupt(node->path, "a file must be one row of bytes");
        if (!nodes.emplace(name, node).second) return objects.corrupt(node->path, "a second " + name);
    }
    return nodes;
}

std::string rootAttribute(const H5Listing& listing, const char* name) {
    if (!listing.nodes.empty())
        for (const H5TextAttribute& a : listing.nodes.front().attributes)
            if (a.name == name && a.values.size() == 1) return a.values.front();
    return {};
}

} // namespace

bool isExportedModel(const H5Listing& listing) {
    return rootAttribute(listing, "schema") == kExportedSchema;
}

Result<std::shared_ptr<const Checkpoint>> exportedCheckpoint(std::unique_ptr<H5Import> opened) {
    const std::shared_ptr<const H5Import> file = std::move(opened);
    const std::filesystem::path path = file->path();
    if (const std::string version = rootAttribute(file->listing(), "schema_version"); version != kVersion)
        return Error::unsupported(
            fmt::format("schema version '{}' of an exported model, this program reads {}", version, kVersion),
            path.string());
    const H5Objects objects(file->listing(), path);
    QS_TRY(std::vector<ExportedTensor> tensors, describeExportedTensors(objects, *file));
    if (tensors.empty()) return objects.corrupt("/tensors", "holds no tensor");
    std::vector<TensorInfo> infos;
    std::map<std::string, int> names;
    for (const ExportedTensor& t : tensors) {
        if (names[t.info.name]++ > 0)
            return objects.corrupt("/tensors", "two tensors are named " + t.info.name);
        infos.push_back(t.info);
    }
    QS_TRY(auto nodes, carriedNodes(objects));
    const auto carried = std::make_shared<const CarriedFiles>(file, std::move(nodes));
    nlohmann::json config;
    if (carried->has("config.json")) {
        QS_TRY(const std::string text, carried->read("config.json", kMaxConfigBytes));
        QS_TRY(config, parseModelConfig(text, path.string() + ": files: config.json"));
    }
    return std::shared_ptr<const Checkpoint>(std::make_shared<Checkpoint>(
        path, "hdf5", std::move(infos), std::make_unique<ExportedSource>(file, std::move(tensors), carried),
        std::move(config)));
}

} // namespace qs
