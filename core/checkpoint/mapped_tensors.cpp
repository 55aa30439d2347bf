// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/mapped_tensors.h"

#include "core/checkpoint/hf_folder.h"
#include "core/checkpoint/resident_ranges.h"
#include "core/checkpoint/safetensors_index.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxIndexBytes = size_t(256) << 20;
constexpr size_t kPrefetchBytes = size_t(1) << 20;

struct Slot {
    uint32_t file = 0;
    DType dtype = DType::F32;
    uint64_t offset = 0; // in the file
    uint64_t bytes = 0, rows = 0, cols = 0;
    std::vector<uint64_t> shape, strides; // empty unless strided
};

bool rowMajor(const MappedTensor& t) {
    uint64_t expected = 1;
    for (size_t i = t.strides.size(); i-- > 0;) {
        if (t.shape[i] != 1 && t.strides[i] != expected) return false;
        expected *= t.shape[i];
    }
    return true;
}

/// Elements of rows [first, first + rows) of a strided tensor, side by side.
void gatherRows(const Slot& s, std::span<const std::byte> file, uint64_t first, uint64_t rows,
                std::byte* out) {
    const size_t element = size_t(dtypeInfo(s.dtype).bits) / 8, last = s.shape.size() - 1;
    for (uint64_t row = first; row < first + rows; ++row) {
        uint64_t start = 0, rest = row;
        for (size_t axis = last; axis-- > 0;) {
            start += rest % s.shape[axis] * s.strides[axis];
            rest /= s.shape[axis];
        }
        for (uint64_t c = 0; c < s.cols; ++c, out += element)
            std::memcpy(out, file.data() + s.offset + (start + c * s.strides[last]) * element, element);
    }
}

} // namespace

class MappedTensors::Source final : public TensorSource {
public:
    std::vector<std::shared_ptr<const MappedFile>> files;
    std::vector<Slot> slots;

    Result<std::span<const std::byte>> rawBytes(size_t index) const override {
        QS_TRY(const Slot* s, slot(index));
        if (s->strides.empty()) return residentRange(files[s->file], s->offset, s->bytes);
        const std::lock_guard lock(gatheredMutex_);
        std::vector<std::byte>& kept = gathered_[index];
        if (kept.size() != s->bytes) {
            kept.resize(s->bytes);
            gatherRows(*s, files[s->file]->bytes(), 0, s->rows, kept.data());
        }
        return std::span<const std::byte>(kept);
    }

    Result<TensorEnds> ends(size_t index, size_t count) const override {
        QS_TRY(const Slot* s, slot(index));
        if (!s->strides.empty()) return TensorSource::ends(index, count);
        count = std::min<size_t>(count, s->bytes);
        TensorEnds out{std::vector<std::byte>(count), std::vector<std::byte>(count)};
        QS_CHECK(files[s->file]->readAt(s->offset, out.first));
        QS_CHECK(files[s->file]->readAt(s->offset + s->bytes - count, out.last));
        return out;
    }

    Result<void> readRows(size_t index, uint64_t firstRow, MatrixView out) const override {
        QS_TRY(const Slot* s, slot(index));
        if (out.cols != s->cols || firstRow > s->rows || out.rows > s->rows - firstRow)
            return Error::invalid(fmt::format("rows {} to {} of {} columns asked of a tensor of {} x {}",
                                              firstRow, firstRow + out.rows, out.cols, s->rows, s->cols));
        if (out.size() == 0) return {};
        const size_t rowBytes = size_t(s->cols) * size_t(dtypeInfo(s->dtype).bits / 8);
        const MappedFile& file = *files[s->file];
        if (!s->strides.empty()) return readStrided(*s, file, firstRow, rowBytes, out);
        const auto wanted =
            residentRange(files[s->file], s->offset + size_t(firstRow) * rowBytes, out.rows * rowBytes);
        if (wanted.size() >= kPrefetchBytes) file.willNeed(s->offset + firstRow * rowBytes, wanted.size());
        if (out.contiguous()) return toFloat(s->dtype, wanted, {out.data, out.size()});
        for (size_t r = 0; r < out.rows; ++r)
            QS_CHECK(toFloat(s->dtype, wanted.subspan(r * rowBytes, rowBytes), out.rowSpan(r)));
        return {};
    }

private:
    Result<const Slot*> slot(size_t index) const {
        if (index >= slots.size())
            return Error::invalid(fmt::format("tensor {} of {} does not exist", index, slots.size()));
        // A page past the end of a shrunken file would kill the process.
        QS_CHECK(files[slots[index].file]->stillIntact());
        return &slots[index];
    }

    static Result<void> readStrided(const Slot& s, const MappedFile& file, uint64_t firstRow, size_t rowBytes,
                                    MatrixView out) {
        std::vector<std::byte> row(rowBytes);
        for (size_t r = 0; r < out.rows; ++r) {
            gatherRows(s, file.bytes(), firstRow + r, 1, row.data());
            QS_CHECK(toFloat(s.dtype, row, out.rowSpan(r)));
        }
        return {};
    }

    mutable std::mutex gatheredMutex_;
    mutable std::map<size_t, std::vector<std::byte>> gathered_;
};

MappedTensors::MappedTensors() : source_(std::make_unique<Source>()) {}
MappedTensors::~MappedTensors() = default;
MappedTensors::MappedTensors(MappedTensors&&) noexcept = default;

void MappedTensors::addFile(std::shared_ptr<const MappedFile> map, std::vector<MappedTensor> tensors) {
    const uint32_t file = uint32_t(source_->files.size());
    const std::string name = map->path().filename().string();
    tensors_.reserve(tensors_.size() + tensors.size());
    for (MappedTensor& m : tensors) {
        const bool plain = rowMajor(m);
        TensorInfo t{std::move(m.name), m.dtype, std::move(m.shape), 0, name};
        t.bytes = t.elements() * uint64_t(dtypeInfo(t.dtype).bits / 8);
        Slot s{file, t.dtype, m.offset, t.bytes, t.rows(), t.cols(), {}, {}};
        if (!plain && t.bytes > 0) {
            s.shape = t.shape;
            s.strides = std::move(m.strides);
        }
        source_->slots.push_back(std::move(s));
        tensors_.push_back(std::move(t));
    }
    source_->files.push_back(std::move(map));
}

Result<std::shared_ptr<const Checkpoint>>
MappedTensors::finish(const fs::path& root, const std::string& readerId, nlohmann::json config) {
    if (tensors_.empty()) return Error::corrupt("the file holds no tensors", root.string());
    return std::shared_ptr<const Checkpoint>(std::make_shared<Checkpoint>(
        root, readerId, std::move(tensors_), std::move(source_), std::move(config)));
}

namespace {

/// The map's promises against the shards' own headers.
Result<void> checkIndex(const SafetensorsIndex& index, const std::vector<TensorInfo>& tensors,
                        const std::string& where) {
    std::vector<std::string_view> list;
    list.reserve(tensors.size());
    for (const TensorInfo& t : tensors)
        list.push_back(t.name);
    const NameIndex names(std::move(list));
    if (const auto [a, b] = names.duplicate(); a != NameIndex::npos)
        return Error::corrupt(fmt::format("tensor '{}' is in two shards, {} and {}", tensors[a].name,
                                          tensors[a].file, tensors[b].file),
                              where);
    for (const auto& e : index.entries) {
        const std::string& shard = index.shards[e.shard];
        const size_t i = names.find(e.tensor);
        if (i == NameIndex::npos || tensors[i].file != shard)
            return Error::corrupt(
                fmt::format("tensor '{}' should be in {}, but {}", e.tensor, shard,
                            i == NameIndex::npos ? "is in none of the shards" : "is in " + tensors[i].file),
                where + ": weight_map");
    }
    return {};
}

} // namespace

Result<std::shared_ptr<const Checkpoint>> openShards(const fs::path& folder, const fs::path& indexPath,
                                                     const std::string& readerId, AddWeightFile addFile) {
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
    MappedTensors opened;
    for (const std::string& shard : shards) {
        std::error_code ec;
        if (!fs::exists(folder / shard, ec))
            return Error::notFound(
                fmt::format("shard {} ({} in all) is missing from the folder", shard, shards.size()),
                where + ": weight_map");
        QS_CHECK(addFile(opened, folder / shard));
    }
    QS_CHECK(checkIndex(index, opened.tensors(), where));
    QS_TRY(nlohmann::json config, readModelConfig(folder));
    return opened.finish(folder, readerId, std::move(config));
}

} // namespace qs
