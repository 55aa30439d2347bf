// SPDX-License-Identifier: Apache-2.0
// AWQ's "gemm" layout, 4 bits; see core/model/packed/awq.cpp.
#include "core/export/packed_format.h"
#include "core/export/packed_lint.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

const ExporterDescriptor& exporter_awq();
std::unique_ptr<PackedFormat> makeAwqFormat(const ExportSource& source);

namespace {

/// Output 8c + kOrder[i] is nibble i of word c.
constexpr size_t kOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};

class AwqFormat final : public PackedFormat {
public:
    AwqFormat(const Model& model, const Plan& plan)
        : plan_(plan), settings_(plan.entries.size()), kept_(keptModules(model, plan)) {}

    const char* layout(const QuantTarget&, const Codec&) const override { return "awq"; }

    Result<void> add(size_t entry, const QuantizedTensor& q) override {
        const PlanEntry& e = plan_.entries[entry];
        QS_TRY(const IntSetting s, intSettingOf(e, q, DType::F16));
        if (s.actOrder) return Error::unsupported("AWQ holds groups in column order only", e.target.module);
        settings_[entry] = s;
        return {};
    }

    nlohmann::ordered_json config() const override {
        return {
            {"quant_method", "awq"}, {"bits", 4},         {"group_size", commonSetting(settings_).groupSize},
            {"zero_point", true},    {"version", "gemm"}, {"modules_to_not_convert", kept_}};
    }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_TRY(const GroupLayout layout, codec.layout(t.rows, t.cols));
        return std::vector<PackedPart>{{".qweight", DType::I32, {t.cols, t.rows / 8}},
                                       {".qzeros", DType::I32, {layout.groups, t.rows / 8}},
                                       {".scales", DType::F16, {layout.groups, t.rows}}};
    }

    Result<PackedBytes> pack(const QuantTarget&, const QuantizedTensor& q, const Codec&) const override {
        const size_t out = q.rows, in = q.cols, groups = q.layout.groups;
        std::vector<uint32_t> weight(in * out / 8), zeros(groups * out / 8);
        std::vector<uint16_t> scales(groups * out);
        for (size_t c = 0; c < out / 8; ++c)
            for (size_t i = 0; i < 8; ++i) {
                const size_t n = 8 * c + kOrder[i];
                for (size_t k = 0; k < in; ++k)
                    weight[k * (out / 8) + c] |= uint32_t(q.codes[n * in + k]) << (4 * i);
                for (size_t g = 0; g < groups; ++g) {
                    zeros[g * (out / 8) + c] |= uint32_t(parameterAt(q.zero, n, g)) << (4 * i);
                    scales[g * out + n] = floatToHalf(parameterAt(q.scale, n, g));
                }
            }
        return PackedBytes{bytesOf(weight), bytesOf(zeros), bytesOf(scales)};
    }

private:
    const Plan& plan_;
    std::vector<std::optional<IntSetting>> settings_;
    std::vector<std::string> kept_;
};

void checkRuntimes(const Model& model, const Plan& plan, const std::vector<LintEntry>& entries,
                   LintList& list) {
    for (const LintEntry& e : entries)
        if (!(e.entry->scheme->codecParams == entries.front().entry->scheme->codecParams)) {
            list.error("mixed", e.entry->target.module,
                       fmt::format("AWQ has one group size and one grid for all linears, and {} has another: "
                                   "give both the same, or keep one of them",
                                   entries.front().entry->target.module));
            break;
        }
    lintPartialNames(model, plan, entries, "AWQ's modules_to_not_convert", list);
    const size_t g = entries.empty() ? 128 : entries.front().layout.groupSize;
    if (!entries.empty() && entries.front().layout.groups > 1 && g != 32 && g != 64 && g != 128)
        list.warn("group", "the fast kernels of vLLM and SGLang want groups of 32, 64, 128 or a whole row");
}

std::vector<LintIssue> lint(const Model& model, const Plan& plan) {
    static const PackedRules rules{
        .format = "awq", .label = "AWQ", .bits = {4}, .scaleTypes = {DType::F16}, .outMultiple = 8};
    return lintPacked(model, plan, rules, [&](const auto& entries, LintList& list) {
        checkRuntimes(model, plan, entries, list);
    });
}

} // namespace

std::unique_ptr<PackedFormat> makeAwqFormat(const ExportSource& source) {
    return std::make_unique<AwqFormat>(*source.model, source.plan);
}

const ExporterDescriptor& exporter_awq() {
    static const ExporterDescriptor descriptor = [] {
        ExporterDescriptor d;
        d.id = "awq";
        d.label = "AWQ";
        d.summary =
            "Packed 4-bit integers in AutoAWQ's GEMM layout: one group size for all linears, F16 scales, "
            "other linears kept.";
        d.citation = "Lin et al., AWQ, MLSys 2024, arXiv:2306.00978; layout of AutoAWQ";
        d.runtimes = {"vLLM", "SGLang", "transformers"};
        d.lint = lint;
        exportAs<exporter_awq, makeAwqFormat>(d);
        return d;
    }();
    return descriptor;
}

} // namespace qs
