// SPDX-License-Identifier: Apache-2.0
// compressed-tensors: any mix of the layouts of ct_layout.h, one group of its config for each setting.
#include "core/export/ct_layout.h"
#include "core/export/packed_lint.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace qs {

const ExporterDescriptor& exporter_compressed_tensors();
std::unique_ptr<PackedFormat> makeCtFormat(const ExportSource& source);

using nlohmann::ordered_json;

namespace {

const ParamSpecs& specs() {
    static const ParamSpecs list = {
        ParamSpec::choice("activations", "Scales of inputs", "dynamic", {"dynamic", "static"},
                          "For linears whose inputs the scheme rounds. dynamic: found at run time, as they "
                          "were when the run was measured. static: one per linear from the calibration, for "
                          "int8 and FP8 without blocks: faster. FP8 loses little by it, int8 much where "
                          "single channels or tokens stand out: evaluate the export.")};
    return list;
}

class CtFormat final : public PackedFormat {
public:
    explicit CtFormat(const ExportSource& source)
        : source_(source)
        , static_(source.params.has("activations") && source.params.choice("activations") == "static")
        , groups_(source.plan.entries.size()) {
        for (const PlanEntry& e : source.plan.entries)
            if (e.scheme && e.scheme->inputs) inputs_[e.target.module] = &*e.scheme->inputs;
    }

    const char* layout(const QuantTarget& target, const Codec& codec) const override {
        return layoutOf(target, codec)->layout();
    }

    Result<void> add(size_t entry, const QuantizedTensor& q) override {
        const PlanEntry& e = source_.plan.entries[entry];
        QS_TRY(const auto codec, codecOf(q));
        QS_CHECK(requireLayout(e.target, *codec));
        const CtLayout& layout = *layoutOf(e.target, *codec);
        QS_CHECK(layout.check(e, q, *codec));
        if (hasInputPart(e.target, *codec)) QS_CHECK(inputScale(e.target, layout));
        groups_[entry] = ctGroup(layout, *codec, inputsOf(e.target));
        return {};
    }

    ordered_json config() const override { return ctConfig(*source_.model, source_.plan, groups_); }

    Result<std::vector<PackedPart>> parts(const QuantTarget& t, const Codec& codec) const override {
        QS_CHECK(requireLayout(t, codec));
        const CtLayout& layout = *layoutOf(t, codec);
        QS_TRY(auto out, layout.parts(t, codec));
        if (hasInputPart(t, codec)) out.push_back({layout.inputPart(), DType::F32, {1}, true});
        return out;
    }

    Result<PackedBytes> pack(const QuantTarget& target, const QuantizedTensor& q,
                             const Codec& codec) const override {
        const CtLayout& layout = *layoutOf(target, codec);
        QS_TRY(PackedBytes bytes, layout.pack(q, codec));
        if (hasInputPart(target, codec)) {
            QS_TRY(const float scale, inputScale(target, layout));
            bytes.push_back(bytesOf(std::vector<float>{scale}));
        }
        return bytes;
    }

    StoredCodes stored(const QuantTarget& target, const Codec& codec) const override {
        return layoutOf(target, codec)->stored(codec);
    }

private:
    const InputScheme* schemeOf(const QuantTarget& target) const {
        const auto it = inputs_.find(target.module);
        return it == inputs_.end() ? nullptr : it->second;
    }
    CtInputs inputsOf(const QuantTarget& target) const {
        if (!schemeOf(target)) return CtInputs::Keep;
        return static_ || schemeOf(target)->isStatic() ? CtInputs::Static : CtInputs::Dynamic;
    }
    const CtLayout* layoutOf(const QuantTarget& target, const Codec& codec) const {
        return ctLayoutFor(codec, schemeOf(target));
    }
    Result<void> requireLayout(const QuantTarget& target, const Codec& codec) const {
        if (layoutOf(target, codec)) return {};
        return Error::unsupported(
            "compressed-tensors has no layout for " + codec.label() +
                (schemeOf(target) ? " with inputs of " + schemeOf(target)->label() : ""),
            target.module);
    }
    bool hasInputPart(const QuantTarget& target, const Codec& codec) const {
        const ordered_json inputs = layoutOf(target, codec)->inputs(inputsOf(target), codec);
        return !inputs.is_null() && inputs.at("dynamic") != true;
    }

    Result<float> inputScale(const QuantTarget& target, const CtLayout& layout) const {
        auto largest = source_.largestInput(target);
        if (!largest) return largest.takeError().at(target.module);
        if (!(*largest > 0))
            return Error::invalid("its inputs were 0 throughout the calibration: no scale follows",
                                  target.module);
        return layout.inputScale(*largest);
    }

    const ExportSource& source_;
    bool static_;
    std::map<std::string, const InputScheme*> inputs_; ///< by module
    std::vector<ordered_json> groups_;                 ///< per entry, without targets
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

void checkLayouts(const std::vector<LintEntry>& entries, LintList& list) {
    for (const LintEntry& e : entries) {
        const InputScheme* inputs = e.entry->scheme->inputs ? &*e.entry->scheme->inputs : nullptr;
        if (!ctLayoutFor(*e.codec, nullptr))
            list.error(
                "format", e.entry->target.module,
                fmt::format("compressed-tensors has no layout for {}: of floats it holds e4m3 with one "
                            "scale per tensor, per channel or per block of rows and columns, MXFP4, MXFP8 "
                            "E4M3 and NVFP4",
                            e.codec->label()));
        else if (!ctLayoutFor(*e.codec, inputs))
            list.error(
                "inputs", e.entry->target.module,
                fmt::format("no runtime multiplies {} with inputs of {}: int8 goes with 8-bit symmetric "
                            "integers per channel, fp8 with e4m3, the MX formats and NVFP4 with themselves",
                            e.codec->label(), inputs->label()));
    }
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
                                   .floats = {"float", "mx", "nvfp4"},
                                   .inputs = true};
    return lintPacked(model, plan, rules, [&](const auto& entries, LintList& list) {
        checkIntegers(model, entries, list);
        checkLayouts(entries, list);
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
