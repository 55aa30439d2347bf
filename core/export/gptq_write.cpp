// SPDX-License-Identifier: Apache-2.0
#include "core/codec/packing.h"
#include "core/export/export_folder.h"
#include "core/export/gptq_format.h"
#include "core/export/gptq_settings.h"
#include "core/export/weight_files.h"

#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

enum class Part { Weight, Zeros, Scales, Index };

/// Packs each linear once for its four tensors, however the writer orders them.
class PackedCache {
public:
    PackedCache(const ExportSource& source, bool version2) : source_(source), version2_(version2) {}

    Result<std::span<const std::byte>> get(const PlanEntry& entry, Part part) {
        if (!packed_ || module_ != entry.target.module) {
            packed_.reset();
            QS_TRY(const QuantizedTensor q, source_.tensor(entry));
            QS_TRY(const auto codec, codecOf(q));
            QS_TRY(packed_, packGptq(q, codec->bits(), version2_));
            module_ = entry.target.module;
        }
        switch (part) {
        case Part::Weight:
            return std::as_bytes(std::span(packed_->qweight));
        case Part::Zeros:
            return std::as_bytes(std::span(packed_->qzeros));
        case Part::Scales:
            return std::as_bytes(std::span(packed_->scales));
        default:
            return std::as_bytes(std::span(packed_->groupIndex));
        }
    }

private:
    const ExportSource& source_;
    bool version2_;
    std::string module_;
    std::optional<GptqTensors> packed_;
};

Result<WeightFiles> gptqFiles(const ExportSource& source, bool version2) {
    const Checkpoint& checkpoint = source.checkpoint();
    WeightFiles files(checkpoint, source.metadata);
    const auto cache = std::make_shared<PackedCache>(source, version2);
    const auto entries = source.entriesOfTensor();
    for (size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].empty()) {
            files.addKept(i);
            continue;
        }
        const PlanEntry* entry = entries[i].front(); // the only one: lintGptq refuses fused tensors
        const uint64_t out = entry->target.rows, in = entry->target.cols;
        QS_TRY(const auto codec, createCodec(entry->scheme->codec, entry->scheme->codecParams));
        QS_TRY(const GroupLayout layout, codec->layout(out, in));
        const auto add = [&](const char* name, DType type, std::vector<uint64_t> shape, Part part) {
            files.add(i, {gptqPrefix(entry->target) + name, type, std::move(shape),
                          [cache, entry, part](std::span<std::byte> to) -> Result<void> {
                              QS_TRY(const auto bytes, cache->get(*entry, part));
                              if (bytes.size() != to.size())
                                  return Error::internal(
                                      fmt::format("{} bytes packed, {} planned", bytes.size(), to.size()));
                              std::memcpy(to.data(), bytes.data(), to.size());
                              return {};
                          }});
        };
        add(".qweight", DType::I32, {packedWords(in, codec->bits()), out}, Part::Weight);
        add(".qzeros", DType::I32, {layout.groups, packedWords(out, codec->bits())}, Part::Zeros);
        add(".scales", DType::F16, {layout.groups, out}, Part::Scales);
        add(".g_idx", DType::I32, {in}, Part::Index);
    }
    return files;
}

/// Reads every tensor before anything is written: what the format cannot hold is found here.
Result<GptqSettings> inspect(const ExportSource& source, const JobContext& job) {
    GptqSettings settings(source.plan);
    for (size_t i = 0; i < source.plan.entries.size(); ++i) {
        if (!source.plan.entries[i].scheme) continue;
        QS_CHECK(job.checkpoint());
        QS_TRY(const QuantizedTensor q, source.tensor(source.plan.entries[i]));
        QS_CHECK(settings.add(i, q));
        job.report("Check codes", double(i + 1), double(source.plan.entries.size()));
    }
    return settings;
}

} // namespace

Result<GptqTensors> packGptq(const QuantizedTensor& q, int bits, bool version2) {
    const size_t out = q.rows, in = q.cols, groups = q.layout.groups;
    GptqTensors t;
    t.qweight.resize(packedWords(in, bits) * out);
    QS_CHECK(packGptqWeight(q.codes, out, in, bits, t.qweight));
    std::vector<uint8_t> zeros(groups * out);
    t.scales.resize(groups * out);
    for (size_t g = 0; g < groups; ++g)
        for (size_t n = 0; n < out; ++n) {
            const size_t row = q.layout.scaleRows == 1 ? 0 : n; // one scale for all rows is repeated
            const float zero = q.zero(row, g) - (version2 ? 0.0f : 1.0f);
            if (!(zero >= 0 && zero <= 255) || zero != float(int(zero)))
                return Error::invalid(fmt::format("zero point {} at [{}, {}] cannot be stored in {}",
                                                  q.zero(row, g), n, g, version2 ? "gptq_v2" : "gptq"));
            zeros[g * out + n] = uint8_t(zero);
            t.scales[g * out + n] = floatToHalf(q.scale(row, g));
        }
    t.qzeros.resize(packedWords(out, bits) * groups);
    QS_CHECK(packGptqZeros(zeros, groups, out, bits, t.qzeros));
    t.groupIndex.resize(in);
    for (size_t k = 0; k < in; ++k)
        t.groupIndex[k] = int32_t(q.groupOf(k));
    return t;
}

Result<uint64_t> gptqBytes(const ExportSource& source) {
    QS_TRY(const WeightFiles files, gptqFiles(source, false)); // both versions have the same size
    return files.bytes();
}

Result<void> writeGptq(const ExportSource& source, const std::filesystem::path& into, const JobContext& job) {
    QS_TRY(const GptqSettings settings, inspect(source, job.part(0, 0.3)));
    QS_TRY(auto config, sourceConfig(source.checkpoint()));
    config["quantization_config"] = settings.config();
    QS_TRY(const WeightFiles files, gptqFiles(source, settings.version2()));
    QS_CHECK(files.write(into, job.part(0.3, 1)));
    QS_CHECK(writeFileAtomically(into / "quantize_config.json", settings.config().dump(2) + "\n"));
    return writeFolderFiles(source, &config, into);
}

} // namespace qs
