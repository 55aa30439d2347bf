// SPDX-License-Identifier: Apache-2.0
#include "core/export/packed_lint.h"

#include "core/export/packed_format.h"
#include "core/recipe/stored_bytes.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

std::string namesOf(const std::vector<DType>& types) {
    std::vector<std::string_view> names;
    for (const DType t : types)
        names.push_back(dtypeInfo(t).name);
    return fmt::format("{}", fmt::join(names, ", "));
}

class Lint {
public:
    Lint(const Model& model, const Plan& plan, const PackedRules& rules)
        : model_(model), plan_(plan), rules_(rules), list_(rules.format) {}

    std::vector<LintIssue>
    run(const std::function<void(const std::vector<LintEntry>&, LintList&)>& runtimes) {
        checkModel();
        std::vector<LintEntry> entries;
        for (const PlanEntry& e : plan_.entries)
            if (e.scheme)
                if (auto codec = checkEntry(e)) checkCodec(e, std::move(codec), entries);
        lintExtras(plan_, rules_.label, list_);
        checkFused();
        checkExperts();
        checkInputs();
        runtimes(entries, list_);
        return list_.take();
    }

private:
    void checkModel() {
        if (!model_.checkpoint().hasConfig())
            list_.error("config", "",
                        "the source has no config.json, which must say how the weights are packed");
        if (!model_.hasForward())
            list_.error(
                "layout", "",
                "the architecture is not known, so neither is which side of a weight is the input: export "
                "dequantized weights instead (" +
                    model_.noForwardReason() + ")");
        if (std::none_of(plan_.entries.begin(), plan_.entries.end(), [](const auto& e) { return e.scheme; }))
            list_.general("nothing-quantized", "", "the plan keeps every tensor: quantize at least one");
    }

    /// The codec, if there is one.
    std::shared_ptr<const Codec> checkEntry(const PlanEntry& e) {
        const QuantTarget& t = e.target;
        if (t.packed)
            list_.general("source-packed", t.module,
                          "the source stores this linear already packed: quantize the original model");
        const std::string& tensor = t.place.tensor;
        if (!t.packed && !tensor.ends_with(".weight"))
            list_.error("name", t.module, fmt::format("tensor {} must be named X.weight", tensor));
        if (!t.place.whole())
            list_.error(
                "part", t.module,
                fmt::format("{} stores it {}, and {} names whole linears [out, in] only: export dequantized "
                            "weights",
                            tensor, t.place.transposed ? "transposed" : "fused with other linears",
                            rules_.label));
        if (model_.hasForward() &&
            (tensor == model_.spec().head.weight || tensor == model_.spec().embedding.tokens))
            list_.error("head", t.module, "the embedding and the output head must be kept");
        std::vector<std::string> taken = rules_.floats;
        if (rules_.integers) taken.insert(taken.begin(), "int");
        if (std::find(taken.begin(), taken.end(), e.scheme->codec) == taken.end()) {
            list_.error("codec", t.module,
                        fmt::format("{} does not hold \"{}\": choose the codec {}", rules_.label,
                                    e.scheme->codec, fmt::join(taken, ", ")));
            return nullptr;
        }
        auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
        if (codec) return std::move(*codec);
        list_.error("codec", t.module, codec.error().describe());
        return nullptr;
    }

    void checkCodec(const PlanEntry& e, std::shared_ptr<const Codec> codec, std::vector<LintEntry>& entries) {
        const QuantTarget& t = e.target;
        const bool integer = codec->id() == "int";
        if (integer && std::find(rules_.bits.begin(), rules_.bits.end(), codec->bits()) == rules_.bits.end())
            list_.error("bits", t.module,
                        fmt::format("{} bits: {} holds {}", codec->bits(), rules_.label,
                                    fmt::join(rules_.bits, ", ")));
        if (integer && std::find(rules_.scaleTypes.begin(), rules_.scaleTypes.end(), codec->scaleType()) ==
                           rules_.scaleTypes.end())
            list_.error("scale-type", t.module,
                        fmt::format("scales are {}, {} stores {}, which would move every value: quantize "
                                    "again with another scale_dtype",
                                    dtypeInfo(codec->scaleType()).name, rules_.label,
                                    namesOf(rules_.scaleTypes)));
        if (t.rows % rules_.outMultiple || t.cols % rules_.inMultiple)
            list_.error("shape", t.module,
                        fmt::format("[{}, {}]: outputs must be a multiple of {} and inputs of {}; keep this "
                                    "linear",
                                    t.rows, t.cols, rules_.outMultiple, rules_.inMultiple));
        const auto layout = codec->layout(t.rows, t.cols);
        if (!layout)
            list_.general("group-divides-row", t.module, layout.error().message);
        else if (layout->blockRows == 1 && layout->groups * layout->groupSize != t.cols)
            list_.general(
                "group-divides-row", t.module,
                fmt::format("row length {} is not a multiple of group {}", t.cols, layout->groupSize));
        else
            entries.push_back({&e, std::move(codec), *layout});
    }

    void checkFused() {
        std::map<std::string, const PlanEntry*> first;
        for (const PlanEntry& e : plan_.entries) {
            if (e.target.fusedGroup.empty()) continue;
            const auto [it, added] = first.try_emplace(e.target.fusedGroup, &e);
            if (added) continue;
            if (const std::string what = difference(*it->second, e); !what.empty())
                list_.general("fused-group", e.target.module,
                              fmt::format("runtimes fuse it with {}, but {}: give both the same scheme",
                                          it->second->target.module, what));
        }
    }

    void checkInputs() {
        lintActivations(plan_, list_);
        if (rules_.inputs) return;
        const std::string module = firstRoundedInputs(plan_);
        if (module.empty()) return;
        list_.warn("inputs",
                   fmt::format("{} does not say how inputs are rounded: runtimes keep those of {} and "
                               "others as they are, which is not what was measured",
                               rules_.label, module));
    }

    /// vLLM and SGLang stack the experts of a layer, all of their linears under one scheme.
    void checkExperts() {
        constexpr std::string_view kMark = ".experts.";
        std::map<std::string, const PlanEntry*> first;
        for (const PlanEntry& e : plan_.entries) {
            const size_t at = e.target.module.find(kMark);
            if (at == std::string::npos) continue;
            const auto [it, added] = first.try_emplace(e.target.module.substr(0, at), &e);
            if (!it->second || added) continue;
            const std::string what = difference(*it->second, e);
            if (what.empty()) continue;
            list_.warn("experts",
                       fmt::format("vLLM and SGLang want one scheme for all experts of a layer; {} "
                                   "and {}: {}",
                                   it->second->target.module, e.target.module, what));
            it->second = nullptr; // once a layer
        }
    }

    static std::string difference(const PlanEntry& a, const PlanEntry& b) {
        if (a.scheme.has_value() != b.scheme.has_value()) return "only one of them is quantized";
        if (!a.scheme) return {};
        if (a.scheme->codec != b.scheme->codec || !(a.scheme->codecParams == b.scheme->codecParams))
            return "their number formats differ";
        if (!(a.scheme->inputs == b.scheme->inputs)) return "their inputs are rounded differently";
        return {};
    }

    const Model& model_;
    const Plan& plan_;
    const PackedRules& rules_;
    LintList list_;
};

} // namespace

std::string firstRoundedInputs(const Plan& plan) {
    for (const PlanEntry& e : plan.entries)
        if (e.scheme && e.scheme->inputs) return e.target.module;
    return {};
}

std::string firstRoundedOutputs(const Plan& plan) {
    for (const PlanEntry& e : plan.entries)
        if (e.scheme && e.scheme->outputs) return e.target.module;
    return {};
}

void lintActivations(const Plan& plan, LintList& list) {
    if (const std::string module = firstRoundedOutputs(plan); !module.empty())
        list.warn("outputs", fmt::format("runtimes keep the outputs of {} and others as they are, which is "
                                         "not what was measured",
                                         module));
    if (plan.kvCache)
        list.warn("kv-cache",
                  fmt::format("the file does not say how to round the KV cache ({}): set it where "
                              "the model is served",
                              plan.kvCache->label()));
    if (plan.probabilities)
        list.warn("probabilities", fmt::format("the file does not say how to round the probabilities of "
                                               "attention ({}): runtimes keep them as they are",
                                               plan.probabilities->label()));
}

void lintExtras(const Plan& plan, const std::string& label, LintList& list) {
    for (const PlanEntry& e : plan.entries) {
        if (!e.scheme) continue;
        const auto method = findMethod(e.scheme->method);
        if (!method) continue;
        const ExtrasSize size = extrasOf(**method, *e.scheme, e.target.rows, e.target.cols);
        if (size == ExtrasSize{}) continue;
        const std::string what = size.reassembled ? "the reassembly of its inputs' channels"
                                 : size.kept > 0 ? fmt::format("{} weights that keep their values", size.kept)
                                 : size.rank > 0 ? fmt::format("a correction of rank {}", size.rank)
                                                 : "the rotation of its inputs";
        list.error("extras", e.target.module,
                   fmt::format("{} has no place for {} ({}): export dequantized weights, or choose {}", label,
                               what, size.reassembled ? e.scheme->inputs->label() : (*method)->label,
                               size.reassembled ? "inputs whose channels stay as they are"
                                                : "a method of codes alone"));
    }
}

void lintPartialNames(const Model& model, const Plan& plan, const std::vector<LintEntry>& entries,
                      const char* field, LintList& list) {
    for (const std::string& kept : keptModules(model, plan))
        for (const LintEntry& e : entries)
            if (linearPrefix(e.entry->target).find(kept) != std::string::npos) {
                list.error("skip", e.entry->target.module,
                           fmt::format("{} matches parts of names: keeping {} would keep this linear too",
                                       field, kept));
                break;
            }
}

std::vector<LintIssue>
lintPacked(const Model& model, const Plan& plan, const PackedRules& rules,
           const std::function<void(const std::vector<LintEntry>&, LintList&)>& runtimes) {
    return Lint(model, plan, rules).run(runtimes);
}

} // namespace qs
