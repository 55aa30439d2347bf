// SPDX-License-Identifier: Apache-2.0
// compressed-tensors "pack-quantized", integers of 2 to 8 bits; see core/model/packed/ct_pack.cpp.
#include "core/codec/packing.h"
#include "core/export/packed_format.h"
#include "core/export/packed_lint.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

const ExporterDescriptor& exporter_compressed_tensors();
std::unique_ptr<PackedFormat> makeCtPackFormat(const Model& model, const Plan& plan);

using nlohmann::ordered_json;

namespace {

ordered_json weightsJson(const IntSetting& s) {
    const bool group = s.groupSize > 0;
    return {{"num_bits", s.bits},
            {"type", "int"},
            {"symmetric", s.symmetric},
            {"strategy", group ? "group" : "channel"},
            {"group_size", group ? ordered_json(s.groupSize) : ordered_json(nullptr)},
            {"block_structure", nullptr},
            {"dynamic", false},
            {"actorder", nullptr},
            {"observer", "minmax"},
            {"observer_kwargs", ordered_json::object()}};
}

class CtPackFormat final : public PackedFormat {
public:
    CtPackFormat(const Model& model, const Plan& plan)
        : plan_(plan), settings_(plan.entries.size()), kept_(keptModules(model, plan)) {}

    const char* layout() const override { return "ct_pack"; }

    Result<void> add(size_t entry, const QuantizedTensor& q) override {
        const PlanEntry& e = plan_.entries[entry];
        QS_TRY(const auto codec, codecOf(q));
        QS_TRY(const IntSetting s, intSettingOf(e, q, codec->scaleType()));
        if (s.actOrder)
            return Error::unsupported("groups are written in column order only: runtimes have given up "
                                      "the group index of compressed-tensors",
                                      e.target.module);
        settings_[entry] = s;
        return {};
    }

    /// One group of targets for each setting. Targets are named one by one: a catch-all would claim linears
    /// that are kept.
    ordered_json config() const override {
        std::vector<std::pair<IntSetting, ordered_json>> groups;
        for (const auto& set : fusedSets(plan_)) {
            const auto& setting = settings_[set.front()];
            if (!setting) continue;
            auto it = std::find_if(groups.begin(), groups.end(),
                                   [&](const auto& g) { return g.first == *setting; });
            if (it == groups.end()) it = groups.insert(groups.end(), {*setting, ordered_json::array()});
            std::vector<const QuantTarget*> targets;
            for (const size_t i : set)
                targets.push_back(&plan_.entries[i].target);
            it->second.push_back("re:" + modulePattern(targets));
        }
        ordered_json list = ordered_json::object();
        for (size_t i = 0; i < groups.size(); ++i)
            list[fmt::format("group_{}", i)] = {{"targets", groups[i].second},
                                                {"weights", weightsJson(groups[i].first)},
                                                {"input_activations", nullptr},
                                                {"output_activations", nullptr},
                                                {"format", "pack-quantized"}};
        return {{"quant_method", "compressed-tensors"},
                {"format", "pack-quantized"},
                {"quantization_status", "compressed"},
                {"config_groups", list},
                {"ignore", kept_},
                {"kv_cache_scheme", nullptr},
                {"global_compression_ratio", nullptr}};
    }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_TRY(const GroupLayout layout, codec.layout(t.rows, t.cols));
        const int bits = codec.bits();
        std::vector<PackedPart> out = {{".weight_packed", DType::I32, {t.rows, packedWords(t.cols, bits)}},
                                       {".weight_scale", codec.scaleType(), {t.rows, layout.groups}},
                                       {".weight_shape", DType::I64, {2}}};
        if (!codec.symmetric())
            out.push_back({".weight_zero_point", DType::I32, {packedWords(t.rows, bits), layout.groups}});
        return out;
    }

    Result<std::vector<std::vector<std::byte>>> pack(const QuantizedTensor& q,
                                                     const Codec& codec) const override {
        const size_t out = q.rows, in = q.cols, groups = q.layout.groups;
        const int bits = codec.bits();
        const size_t words = packedWords(in, bits);
        std::vector<uint32_t> weight(out * words);
        for (size_t n = 0; n < out; ++n)
            QS_CHECK(packFields(std::span(q.codes).subspan(n * in, in), bits,
                                std::span(weight).subspan(n * words, words)));
        std::vector<float> scales(out * groups);
        for (size_t n = 0; n < out; ++n)
            for (size_t g = 0; g < groups; ++g)
                scales[n * groups + g] = parameterAt(q.scale, n, g);
        std::vector<std::byte> stored(scales.size() * size_t(dtypeInfo(codec.scaleType()).bits) / 8);
        QS_CHECK(fromFloat(scales, codec.scaleType(), stored));
        std::vector<std::vector<std::byte>> parts = {
            bytesOf(weight), std::move(stored), bytesOf(std::vector<int64_t>{int64_t(out), int64_t(in)})};
        if (!codec.symmetric()) {
            QS_TRY(const auto zeros, packZeros(q, bits));
            parts.push_back(bytesOf(zeros));
        }
        return parts;
    }

private:
    /// [words of N fields, groups]: every column one stream.
    static Result<std::vector<uint32_t>> packZeros(const QuantizedTensor& q, int bits) {
        const size_t words = packedWords(q.rows, bits), groups = q.layout.groups;
        std::vector<uint32_t> out(words * groups), stream(words);
        std::vector<uint8_t> fields(q.rows);
        for (size_t g = 0; g < groups; ++g) {
            for (size_t n = 0; n < q.rows; ++n)
                fields[n] = uint8_t(parameterAt(q.zero, n, g));
            QS_CHECK(packFields(fields, bits, stream));
            for (size_t w = 0; w < words; ++w)
                out[w * groups + g] = stream[w];
        }
        return out;
    }

    const Plan& plan_;
    std::vector<std::optional<IntSetting>> settings_;
    std::vector<std::string> kept_;
};

/// What loads, but not everywhere, or not as it was computed.
void checkRuntimes(const Model& model, const std::vector<LintEntry>& entries, LintList& list) {
    const auto any = [&](auto&& rule) { return std::any_of(entries.begin(), entries.end(), rule); };
    const auto usual = [](const LintEntry& e) { return e.codec->bits() == 4 || e.codec->bits() == 8; };
    if (any([&](const LintEntry& e) { return !usual(e) && e.codec->bits() != 2; }))
        list.warn("dense", "3, 5, 6 and 7 bits are packed densely: compressed-tensors reads that since 0.17");
    if (any([&](const LintEntry& e) { return !usual(e); }))
        list.warn("bits",
                  "vLLM runs 4 and 8 bits everywhere, other widths only symmetric, on GPUs, and since "
                  "mid-2026");
    if (any([&](const LintEntry& e) { return !usual(e) && !e.codec->symmetric(); }))
        list.warn("zeros", "vLLM reads zero points of 4 and 8 bits only: choose a symmetric grid");
    if (any([](const LintEntry& e) {
            const size_t g = e.layout.groupSize;
            return e.layout.groups > 1 && g != 32 && g != 64 && g != 128;
        }))
        list.warn("group", "the fast kernels of vLLM want groups of 32, 64, 128 or a whole row");
    const auto& tensors = model.checkpoint().tensors();
    if (any([&](const LintEntry& e) {
            const size_t i = model.checkpoint().find(e.entry->target.place.tensor);
            return i != Checkpoint::npos && tensors[i].dtype != e.codec->scaleType();
        }))
        list.warn("scale",
                  "scales are stored in another type than the model's weights: vLLM converts them to "
                  "the type it runs the model in, which moves values when that is narrower");
}

std::vector<LintIssue> lint(const Model& model, const Plan& plan) {
    static const PackedRules rules{.format = "compressed-tensors",
                                   .label = "compressed-tensors",
                                   .bits = {2, 3, 4, 5, 6, 7, 8},
                                   .scaleTypes = {DType::F16, DType::BF16, DType::F32}};
    return lintPacked(model, plan, rules,
                      [&](const auto& entries, LintList& list) { checkRuntimes(model, entries, list); });
}

} // namespace

std::unique_ptr<PackedFormat> makeCtPackFormat(const Model& model, const Plan& plan) {
    return std::make_unique<CtPackFormat>(model, plan);
}

const ExporterDescriptor& exporter_compressed_tensors() {
    static const ExporterDescriptor descriptor = [] {
        ExporterDescriptor d;
        d.id = "compressed_tensors";
        d.label = "compressed-tensors";
        d.summary =
            "Packed integers of 2 to 8 bits (pack-quantized), any mix of widths and groups: what vLLM "
            "loads best.";
        d.citation = "layout of compressed-tensors 0.18 (llm-compressor)";
        d.runtimes = {"vLLM", "SGLang", "transformers"};
        d.lint = lint;
        exportAs<exporter_compressed_tensors, makeCtPackFormat>(d);
        return d;
    }();
    return descriptor;
}

} // namespace qs
