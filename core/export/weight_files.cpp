// SPDX-License-Identifier: Apache-2.0
#include "core/export/weight_files.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

uint64_t itemBytes(const SafetensorsItem& item) {
    uint64_t bytes = uint64_t(dtypeInfo(item.dtype).bits / 8);
    for (uint64_t d : item.shape)
        bytes *= d;
    return bytes;
}

} // namespace

WeightFiles::WeightFiles(const Checkpoint& source, std::map<std::string, std::string> metadata)
    : source_(source), metadata_(std::move(metadata)) {
    for (const TensorInfo& t : source.tensors())
        shards_.push_back(t.file);
    std::sort(shards_.begin(), shards_.end());
    shards_.erase(std::unique(shards_.begin(), shards_.end()), shards_.end());
    files_.resize(shards_.size());
    nameFiles();
}

void WeightFiles::nameFiles() {
    for (size_t i = 0; i < files_.size(); ++i)
        files_[i].name = files_.size() == 1
                             ? "model.safetensors"
                             : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, files_.size());
}

void WeightFiles::add(size_t like, SafetensorsItem item) {
    const std::string& shard = source_.tensors()[like].file;
    const auto at = std::lower_bound(shards_.begin(), shards_.end(), shard) - shards_.begin();
    files_[size_t(at)].items.push_back(std::move(item));
}

void WeightFiles::addKept(size_t index) {
    const TensorInfo& t = source_.tensors()[index];
    add(index,
        {t.name, t.dtype, t.shape, [&source = source_, index](std::span<std::byte> out) -> Result<void> {
             std::vector<std::byte> buffer;
             QS_TRY(const std::span<const std::byte> bytes, source.elementBytes(index, buffer));
             if (bytes.size() != out.size())
                 return Error::internal(
                     fmt::format("{} bytes expected, {} in the source", out.size(), bytes.size()));
             if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size());
             return {};
         }});
}

void WeightFiles::shardBySize(uint64_t bytes) {
    std::vector<File> cut(1);
    uint64_t size = 0;
    for (File& f : files_)
        for (SafetensorsItem& item : f.items) {
            const uint64_t own = itemBytes(item);
            if (!cut.back().items.empty() && size + own > bytes) {
                cut.emplace_back();
                size = 0;
            }
            size += own;
            cut.back().items.push_back(std::move(item));
        }
    files_ = std::move(cut);
    nameFiles();
}

uint64_t WeightFiles::bytes() const {
    uint64_t total = 0;
    for (const File& f : files_)
        total += safetensorsFileSize(f.items, metadata_);
    return total;
}

Result<void> WeightFiles::write(const std::filesystem::path& into, const JobContext& job) const {
    double total = 0, done = 0;
    for (const File& f : files_)
        for (const SafetensorsItem& item : f.items)
            total += double(itemBytes(item));
    for (const File& f : files_) {
        std::vector<SafetensorsItem> items = f.items;
        for (SafetensorsItem& item : items)
            item.fill = [&, fill = item.fill](std::span<std::byte> out) -> Result<void> {
                QS_CHECK(job.checkpoint());
                QS_CHECK(fill(out));
                done += double(out.size());
                job.report("Write " + f.name, done, total);
                return {};
            };
        QS_CHECK(writeSafetensors(into / f.name, std::move(items), metadata_));
    }
    return files_.size() > 1 ? writeIndex(into) : Result<void>();
}

Result<void> WeightFiles::writeIndex(const std::filesystem::path& into) const {
    nlohmann::json map = nlohmann::json::object();
    uint64_t total = 0;
    for (const File& f : files_)
        for (const SafetensorsItem& item : f.items) {
            map[item.name] = f.name;
            total += itemBytes(item);
        }
    const nlohmann::json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
    return writeFileAtomically(into / "model.safetensors.index.json", index.dump(2) + "\n");
}

Result<void> storeFinite(ConstMatrixView values, DType type, std::span<std::byte> out, size_t firstRow) {
    const std::span<const float> all(values.data, values.size());
    QS_CHECK(fromFloat(all, type, out));
    std::vector<float> back(all.size());
    QS_CHECK(toFloat(type, out, back));
    for (size_t i = 0; i < back.size(); ++i)
        if (!std::isfinite(back[i]))
            return Error::invalid(fmt::format("value {} at [{}, {}] does not fit in {}: choose another dtype",
                                              all[i], firstRow + i / values.cols, i % values.cols,
                                              dtypeInfo(type).name));
    return {};
}

} // namespace qs
