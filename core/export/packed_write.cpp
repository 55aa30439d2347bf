// SPDX-License-Identifier: Apache-2.0
#include "core/export/export_folder.h"
#include "core/export/packed_format.h"
#include "core/export/weight_files.h"

#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

/// Packs each linear once for all its parts, however the writer orders them.
class PackedCache {
public:
    PackedCache(const ExportSource& source, const PackedFormat& format) : source_(source), format_(format) {}

    Result<void> copy(const PlanEntry& entry, size_t part, std::span<std::byte> to) {
        if (module_ != entry.target.module) {
            module_.clear();
            QS_TRY(const QuantizedTensor q, source_.tensor(entry));
            QS_TRY(const auto codec, codecOf(q));
            QS_TRY(bytes_, format_.pack(entry.target, q, *codec));
            module_ = entry.target.module;
        }
        const auto& bytes = bytes_.at(part);
        if (bytes.size() != to.size())
            return Error::internal(fmt::format("{} bytes packed, {} planned", bytes.size(), to.size()));
        std::memcpy(to.data(), bytes.data(), to.size());
        return {};
    }

private:
    const ExportSource& source_;
    const PackedFormat& format_;
    std::string module_;
    PackedBytes bytes_;
};

/// `format` must outlive the result.
Result<WeightFiles> packedFiles(const ExportSource& source, const PackedFormat& format) {
    WeightFiles files(source.checkpoint(), source.metadata);
    const auto cache = std::make_shared<PackedCache>(source, format);
    const auto entries = source.entriesOfTensor();
    for (size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].empty()) {
            files.addKept(i);
            continue;
        }
        const PlanEntry* entry = entries[i].front(); // the only one: lintPacked refuses fused tensors
        QS_TRY(const auto codec, createCodec(entry->scheme->codec, entry->scheme->codecParams));
        QS_TRY(const auto parts, format.parts(entry->target, *codec));
        for (size_t p = 0; p < parts.size(); ++p)
            files.add(i, {linearPrefix(entry->target) + parts[p].suffix, parts[p].type, parts[p].shape,
                          [cache, entry, p](std::span<std::byte> to) { return cache->copy(*entry, p, to); }});
    }
    return files;
}

/// Reads every tensor before anything is written: what the format cannot hold is found here.
Result<void> inspect(const ExportSource& source, PackedFormat& format, const JobContext& job) {
    for (size_t i = 0; i < source.plan.entries.size(); ++i) {
        if (!source.plan.entries[i].scheme) continue;
        QS_CHECK(job.checkpoint());
        QS_TRY(const QuantizedTensor q, source.tensor(source.plan.entries[i]));
        if (!q.extras.empty())
            return Error::unsupported("the format has no place for what the run keeps beside the codes",
                                      source.plan.entries[i].target.module);
        QS_CHECK(format.add(i, q));
        job.report("Check codes", double(i + 1), double(source.plan.entries.size()));
    }
    return {};
}

} // namespace

Result<uint64_t> packedBytes(const ExportSource& source, MakePackedFormat make) {
    const auto format = make(source);
    QS_TRY(const WeightFiles files, packedFiles(source, *format));
    return files.bytes();
}

Result<void> writePacked(const ExportSource& source, MakePackedFormat make, const std::filesystem::path& into,
                         const JobContext& job) {
    const auto format = make(source);
    QS_CHECK(inspect(source, *format, job.part(0, 0.3)));
    QS_TRY(auto config, sourceConfig(source.checkpoint()));
    config["quantization_config"] = format->config();
    QS_TRY(const WeightFiles files, packedFiles(source, *format));
    QS_CHECK(files.write(into, job.part(0.3, 1)));
    if (const char* name = format->configFile())
        QS_CHECK(writeFileAtomically(into / name, format->config().dump(2) + "\n"));
    return writeFolderFiles(source.checkpoint(), &config, source.sidecar, into);
}

} // namespace qs
