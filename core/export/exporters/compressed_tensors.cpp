// SPDX-License-Identifier: Apache-2.0
// compressed-tensors: any mix of the layouts of ct_layout.h, one group of its config for each setting.
#include "core/export/ct_layout.h"
#include "core/export/packed_lint.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

const ExporterDescriptor& exporter_compressed_tensors();
std::unique_ptr<PackedFormat> makeCtFormat(const ExportSource& source);

using nlohmann::ordered_json;

namespace {

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::choice("activations", "Activations", "keep", {"keep", "dynamic", "static"},
                          "What runtimes do with the inputs of linears that allow it. keep: nothing. "
                          "dynamic: they are rounded too, "
                          "with scales found at run time (int8 with one scale per output: W8A8; FP8; MX). "
                          "static: with one scale "
                          "from the calibration (also NVFP4: W4A4). The figures of the run were measured "
                          "with inputs as they are.")};
    return list;
}

CtInputs inputsOf(const Params& params) {
    if (!params.has("activations")) return CtInputs::Keep;
    const std::string& name = params.choice("activations");
    return name == "dynamic" ? CtInputs::Dynamic : name == "static" ? CtInputs::Static : CtInputs::Keep;
}

class CtFormat final : public PackedFormat {
public:
    explicit CtFormat(const ExportSource& source)
        : source_(source)
        , inputs_(inputsOf(source.params))
        , groups_(source.plan.entries.size())
        , kept_(keptModules(*source.model, source.plan)) {}

    const char* layout(const Codec& codec) const override { return layoutOf(codec).layout(); }

    Result<void> add(size_t entry, const QuantizedTensor& q) override {
        const PlanEntry& e = source_.plan.entries[entry];
        QS_TRY(const auto codec, codecOf(q));
        QS_CHECK(requireLayout(e.target, *codec));
        const CtLayout& layout = layoutOf(*codec);
        QS_TRY(auto weights, layout.weights(e, q, *codec));
        if (hasInputPart(*codec)) QS_CHECK(inputScale(e.target, layout));
        groups_[entry] = {{"targets", ordered_json::array()},
                          {"weights", std::move(weights)},
                          {"input_activations", layout.inputs(inputs_, *codec)},
                          {"output_activations", nullptr},
                          {"format", layout.format()}};
        return {};
    }

    /// Targets are named one by one: a catch-all would claim linears that are kept.
    ordered_json config() const override {
        std::vector<ordered_json> groups;
        std::string format;
        for (const auto& set : fusedSets(source_.plan)) {
            const ordered_json& own = groups_[set.front()];
            if (own.is_null()) continue;
            auto it = std::find_if(groups.begin(), groups.end(), [&](ordered_json g) {
                g["targets"] = ordered_json::array();
                return g == own;
            });
            if (it == groups.end()) it = groups.insert(groups.end(), own);
            std::vector<const QuantTarget*> targets;
            for (const size_t i : set)
                targets.push_back(&source_.plan.entries[i].target);
            (*it)["targets"].push_back("re:" + modulePattern(targets));
            const std::string name = own.at("format");
            format = format.empty() || format == name ? name : "mixed-precision";
        }
        ordered_json list = ordered_json::object();
        for (size_t i = 0; i < groups.size(); ++i)
            list[fmt::format("group_{}", i)] = groups[i];
        return {{"quant_method", "compressed-tensors"},
                {"format", format},
                {"quantization_status", "compressed"},
                {"config_groups", list},
                {"ignore", kept_},
                {"kv_cache_scheme", nullptr},
                {"global_compression_ratio", nullptr}};
    }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_CHECK(requireLayout(t, codec));
        const CtLayout& layout = layoutOf(codec);
        QS_TRY(auto out, layout.parts(t, codec));
        if (hasInputPart(codec)) out.push_back({layout.inputPart(), DType::F32, {1}, true});
        return out;
    }

    Result<PackedBytes> pack(const QuantTarget& target, const QuantizedTensor& q,
                             const Codec& codec) const override {
        const CtLayout& layout = layoutOf(codec);
        QS_TRY(PackedBytes bytes, layout.pack(q, codec));
        if (hasInputPart(codec)) {
            QS_TRY(const float scale, inputScale(target, layout));
            bytes.push_back(bytesOf(std::vector<float>{scale}));
        }
        return bytes;
    }

    int storedCode(const Codec& codec, uint8_t code) const override {
        return layoutOf(codec).storedCode(codec, code);
    }
    float storedZero(const Codec& codec, float zero) const override {
        return layoutOf(codec).storedZero(codec, zero);
    }

private:
    const CtLayout& layoutOf(const Codec& codec) const {
        if (inputs_ != CtInputs::Keep && isCtInt8(codec)) return ctInt8();
        return *ctLayoutFor(codec);
    }
    static Result<void> requireLayout(const QuantTarget& target, const Codec& codec) {
        if (ctLayoutFor(codec)) return {};
        return Error::unsupported("compressed-tensors has no layout for " + codec.label(), target.module);
    }
    bool hasInputPart(const Codec& codec) const {
        const ordered_json inputs = layoutOf(codec).inputs(inputs_, codec);
        return !inputs.is_null() && inputs.at("dynamic") != true;
    }

    Result<float> inputScale(const QuantTarget& target, const CtLayout& layout) const {
        auto largest = source_.largestInput(target.site);
        if (!largest) return largest.takeError().at(target.module);
        if (!(*largest > 0))
            return Error::invalid("its inputs were 0 throughout the calibration: no scale follows",
                                  target.module);
        return layout.inputScale(*largest);
    }

    const ExportSource& source_;
    CtInputs inputs_;
    std::vector<ordered_json> groups_; ///< per entry, without targets
    std::vector<std::string> kept_;
};

/// Integers that load, but not everywhere, or not as they were computed.
void checkIntegers(const Model& model, const std::vector<LintEntry>& entries, LintList& list) {
    const auto any = [&](auto&& rule) {
        return std::any_of(entries.begin(), entries.end(),
                           [&](const LintEntry& e) { return e.codec->id() == "int" && rule(e); });
    };
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

void checkFloats(const std::vector<LintEntry>& entries, LintList& list) {
    for (const LintEntry& e : entries)
        if (!ctLayoutFor(*e.codec))
            list.error(
                "format", e.entry->target.module,
                fmt::format("compressed-tensors has no layout for {}: of floats it holds e4m3 with one "
                            "scale per tensor, per channel or per block of rows and columns, MXFP4, MXFP8 "
                            "E4M3 and NVFP4",
                            e.codec->label()));
    const auto any = [&](auto&& rule) { return std::any_of(entries.begin(), entries.end(), rule); };
    if (any([](const LintEntry& e) {
            return e.layout.blockRows > 1 && (e.layout.blockRows != 128 || e.layout.groupSize != 128);
        }))
        list.warn("block", "the kernels of vLLM want FP8 blocks of 128 x 128");
    if (any([](const LintEntry& e) {
            return e.codec->id() == "nvfp4" && !e.entry->target.fusedGroup.empty();
        }))
        list.warn("global", "vLLM gives the linears it fuses (q, k, v; gate, up) the largest of their global "
                            "scales, which moves the values of the others slightly");
}

std::vector<LintIssue> lint(const Model& model, const Plan& plan) {
    static const PackedRules rules{.format = "compressed-tensors",
                                   .label = "compressed-tensors",
                                   .bits = {2, 3, 4, 5, 6, 7, 8},
                                   .scaleTypes = {DType::F16, DType::BF16, DType::F32},
                                   .floats = {"float", "mx", "nvfp4"}};
    return lintPacked(model, plan, rules, [&](const auto& entries, LintList& list) {
        checkIntegers(model, entries, list);
        checkFloats(entries, list);
    });
}

} // namespace

std::unique_ptr<PackedFormat> makeCtFormat(const ExportSource& source) {
    return std::make_unique<CtFormat>(source);
}

const ExporterDescriptor& exporter_compressed_tensors() {
    static const ExporterDescriptor descriptor = [] {
        ExporterDescriptor d;
        d.id = "compressed_tensors";
        d.label = "compressed-tensors";
        d.summary =
            "Integers of 2 to 8 bits, FP8, MXFP4, MXFP8 and NVFP4, any mix, with W8A8 where asked for: what "
            "vLLM loads best.";
        d.citation = "layout of compressed-tensors 0.18 (llm-compressor)";
        d.params = specs();
        d.runtimes = {"vLLM", "SGLang", "transformers"};
        d.lint = lint;
        exportAs<exporter_compressed_tensors, makeCtFormat>(d);
        return d;
    }();
    return descriptor;
}

} // namespace qs
