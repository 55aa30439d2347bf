// SPDX-License-Identifier: Apache-2.0
#include "core/export/gptq_format.h"
#include "core/export/gptq_settings.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

class Lint {
public:
    Lint(const Model& model, const Plan& plan) : model_(model), plan_(plan) {}

    std::vector<LintIssue> run() {
        checkModel();
        for (const PlanEntry& e : plan_.entries)
            if (e.scheme) checkEntry(e);
        checkFused();
        checkRuntimes();
        return std::move(issues_);
    }

private:
    void error(const char* rule, const std::string& where, std::string message) {
        issues_.push_back({Severity::Error, rule, where, std::move(message)});
    }
    void warn(const char* rule, std::string message) {
        issues_.push_back({Severity::Warning, rule, "", std::move(message)});
    }

    void checkModel() {
        if (!model_.checkpoint().hasConfig())
            error("gptq-config", "",
                  "the source has no config.json, which must say how the weights are packed");
        if (!model_.hasForward())
            error("gptq-layout", "",
                  "the architecture is not known, so neither is which side of a weight is the input: export "
                  "dequantized weights instead (" +
                      model_.noForwardReason() + ")");
        if (std::none_of(plan_.entries.begin(), plan_.entries.end(), [](const auto& e) { return e.scheme; }))
            error("nothing-quantized", "", "the plan keeps every tensor: quantize at least one");
    }

    void checkEntry(const PlanEntry& e) {
        const QuantTarget& t = e.target;
        if (t.packed)
            error("source-packed", t.module,
                  "the source stores this linear already packed: quantize the original model");
        const std::string& tensor = t.place.tensor;
        if (!t.packed && !tensor.ends_with(".weight"))
            error("gptq-name", t.module, fmt::format("tensor {} must be named X.weight", tensor));
        if (!t.place.whole())
            error("gptq-part", t.module,
                  fmt::format(
                      "{} stores it {}, and GPTQ names whole linears [out, in] only: export dequantized "
                      "weights",
                      tensor, t.place.transposed ? "transposed" : "fused with other linears"));
        if (model_.hasForward() &&
            (tensor == model_.spec().head.weight || tensor == model_.spec().embedding.tokens))
            error("gptq-head", t.module, "the embedding and the output head must be kept");
        if (e.scheme->codec != "int") {
            error("gptq-codec", t.module,
                  fmt::format("GPTQ packs integers, not \"{}\": choose the codec int", e.scheme->codec));
            return;
        }
        const auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
        if (!codec) {
            error("gptq-codec", t.module, codec.error().describe());
            return;
        }
        checkCodec(t, **codec);
    }

    void checkCodec(const QuantTarget& t, const Codec& codec) {
        const int bits = codec.bits();
        if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
            error("gptq-bits", t.module, fmt::format("{} bits: GPTQ holds 2, 3, 4 or 8", bits));
        if (codec.scaleType() != DType::F16)
            error("gptq-scale-type", t.module,
                  fmt::format(
                      "scales are {}, GPTQ stores F16, which would move every value: quantize again with "
                      "scale_dtype f16",
                      dtypeInfo(codec.scaleType()).name));
        if (t.rows % 32 || t.cols % 32)
            error("gptq-shape", t.module,
                  fmt::format("[{}, {}]: outputs and inputs must be multiples of 32; keep this linear",
                              t.rows, t.cols));
        const auto layout = codec.layout(t.rows, t.cols);
        if (!layout)
            error("group-divides-row", t.module, layout.error().message);
        else if (layout->groups * layout->groupSize != t.cols)
            error("group-divides-row", t.module,
                  fmt::format("row length {} is not a multiple of group {}", t.cols, layout->groupSize));
    }

    void checkFused() {
        std::map<std::string, const PlanEntry*> first;
        for (const PlanEntry& e : plan_.entries) {
            if (e.target.fusedGroup.empty()) continue;
            const auto [it, added] = first.try_emplace(e.target.fusedGroup, &e);
            if (added) continue;
            if (const std::string what = difference(*it->second, e); !what.empty())
                error("fused-group", e.target.module,
                      fmt::format("runtimes fuse it with {}, but {}: give both the same scheme",
                                  it->second->target.module, what));
        }
    }

    static std::string difference(const PlanEntry& a, const PlanEntry& b) {
        if (a.scheme.has_value() != b.scheme.has_value()) return "only one of them is quantized";
        if (!a.scheme) return {};
        if (a.scheme->codec != b.scheme->codec || !(a.scheme->codecParams == b.scheme->codecParams))
            return "their number formats differ";
        return {};
    }

    /// What loads, but not everywhere.
    void checkRuntimes() {
        bool mixed = false, kept = false, unusual = false, groups = false;
        const Scheme* first = nullptr;
        for (const PlanEntry& e : plan_.entries) {
            kept = kept || !e.scheme;
            if (!e.scheme || e.scheme->codec != "int") continue;
            if (!first) first = &*e.scheme;
            mixed = mixed || !(first->codecParams == e.scheme->codecParams);
            const auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
            if (!codec) continue;
            unusual = unusual || !(*codec)->symmetric() || ((*codec)->bits() != 4 && (*codec)->bits() != 8);
            const auto layout = (*codec)->layout(e.target.rows, e.target.cols);
            if (layout && layout->groups > 1)
                groups = groups ||
                         (layout->groupSize != 32 && layout->groupSize != 64 && layout->groupSize != 128);
        }
        if (first && (mixed || kept))
            warn("gptq-dynamic",
                 "different settings per linear are written as `dynamic` rules: vLLM, SGLang and "
                 "GPTQModel follow them, transformers alone does not");
        if (unusual)
            warn("gptq-v2",
                 "zero points other than the middle, and 2 or 3 bits, are written as gptq_v2: GPTQModel "
                 "and transformers read it, vLLM since 2026 only symmetric 4 and 8 bits");
        if (groups)
            warn("gptq-group",
                 "the fast kernels of vLLM and SGLang want groups of 32, 64, 128 or a whole row");
    }

    const Model& model_;
    const Plan& plan_;
    std::vector<LintIssue> issues_;
};

} // namespace

std::vector<LintIssue> lintGptq(const Model& model, const Plan& plan) {
    return Lint(model, plan).run();
}

} // namespace qs
