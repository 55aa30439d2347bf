// SPDX-License-Identifier: Apache-2.0
#include "core/export/runtime_rules.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

/// One quantized linear with its codec.
struct Quantized {
    size_t index; ///< in Plan::entries
    const PlanEntry* entry;
    std::shared_ptr<const Codec> codec;
    GroupLayout layout;

    bool integers() const { return codec->id() == "int"; }
    bool usualBits() const { return codec->bits() == 4 || codec->bits() == 8; }
};

std::vector<Quantized> quantizedOf(const Plan& plan) {
    std::vector<Quantized> out;
    for (size_t i = 0; i < plan.entries.size(); ++i) {
        const PlanEntry& e = plan.entries[i];
        if (!e.scheme) continue;
        const auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
        const auto layout = codec ? (*codec)->layout(e.target.rows, e.target.cols)
                                  : Result<GroupLayout>(Error::invalid(std::string()));
        if (layout) out.push_back({i, &e, *codec, *layout}); // what has none, the plan refuses
    }
    return out;
}

/// Adds the entry's scheme with one parameter of its codec changed.
void change(SchemeFix& fix, size_t index, const Scheme& scheme, const char* key,
            const nlohmann::json& value) {
    nlohmann::json params = scheme.codecParams.toJson();
    params[key] = value;
    auto made = Params::fromJson((*findCodec(scheme.codec))->params, params, scheme.codec);
    if (!made) return;
    Scheme out = scheme;
    out.codecParams = std::move(*made);
    fix.schemes.emplace_back(index, std::move(out));
}

class Rules {
public:
    explicit Rules(std::string runtime) : runtime_(std::move(runtime)) {}

    /// One issue about all of these linears, none when there are none.
    void add(Severity severity, const char* rule, const std::vector<std::string>& modules,
             std::string message, SchemeFix fix = {}) {
        if (modules.empty()) return;
        if (modules.size() > 1) message = fmt::format("{} linears: {}", modules.size(), message);
        issues_.push_back(
            {{severity, runtime_ + "-" + rule, modules.front(), std::move(message)}, std::move(fix)});
    }
    void add(Severity severity, const char* rule, const std::vector<const Quantized*>& where,
             std::string message, SchemeFix fix = {}) {
        std::vector<std::string> modules;
        for (const Quantized* q : where)
            modules.push_back(q->entry->target.module);
        add(severity, rule, modules, std::move(message), std::move(fix));
    }
    void remark(const char* rule, std::string message) {
        issues_.push_back({{Severity::Warning, runtime_ + "-" + rule, "", std::move(message)}, {}});
    }
    std::vector<RuntimeIssue> take() { return std::move(issues_); }

private:
    std::string runtime_;
    std::vector<RuntimeIssue> issues_;
};

using Where = std::vector<const Quantized*>;

template<class Rule>
Where where(const std::vector<Quantized>& all, Rule&& rule) {
    Where out;
    for (const Quantized& q : all)
        if (q.integers() && rule(q)) out.push_back(&q);
    return out;
}

SchemeFix symmetricFix(const Where& list) {
    SchemeFix fix{"Make symmetric", {}};
    for (const Quantized* q : list)
        change(fix, q->index, *q->entry->scheme, "grid", "symmetric");
    return fix;
}

bool usualGroup(const Quantized& q) {
    const size_t g = q.layout.groupSize;
    return q.layout.groups == 1 || g == 32 || g == 64 || g == 128;
}

/// The nearest group that kernels know and that divides the row; empty when a linear has none.
SchemeFix groupFix(const Where& list) {
    SchemeFix fix{"Use groups of 32 to 128", {}};
    for (const Quantized* q : list) {
        size_t best = 0;
        for (const size_t group : {size_t(128), size_t(64), size_t(32)}) {
            if (q->entry->target.cols % group != 0) continue;
            if (best == 0 || q->layout.groupSize < best) best = group;
        }
        if (best == 0) return {};
        change(fix, q->index, *q->entry->scheme, "group", best);
    }
    return fix;
}

/// Marlin multiplies tiles of 64 x 128 or 128 x 64.
bool oddTile(const Quantized& q) {
    const size_t n = q.entry->target.rows, k = q.entry->target.cols;
    return !((n % 64 == 0 && k % 128 == 0) || (n % 128 == 0 && k % 64 == 0));
}

void marlinRules(const std::vector<Quantized>& all, Severity group, Rules& rules) {
    const Where groups = where(all, [](const Quantized& q) { return !usualGroup(q); });
    rules.add(group, "group", groups, "vLLM's kernels take groups of 32, 64, 128 or a whole row",
              groupFix(groups));
    rules.add(Severity::Warning, "tile", where(all, oddTile),
              "Marlin's tiles want outputs and inputs in multiples of 64 and 128: vLLM before 2026 refuses "
              "other shapes, later ones pad them with zeros");
}

void vllmGptq(const std::vector<Quantized>& all, Rules& rules) {
    const Where odd = where(all, [](const Quantized& q) { return !q.usualBits(); });
    rules.add(Severity::Error, "gptq-bits", odd,
              "since 2026 (pull request 38288) vLLM reads GPTQ files of 4 and 8 bits only");
    const Where zeros = where(all, [](const Quantized& q) { return q.usualBits() && !q.codec->symmetric(); });
    rules.add(Severity::Error, "gptq-zeros", zeros,
              "since 2026 (pull request 38288) vLLM reads symmetric GPTQ files only", symmetricFix(zeros));
    marlinRules(all, Severity::Error, rules);
}

void vllmCompressed(const std::vector<Quantized>& all, Rules& rules) {
    const Where zeros =
        where(all, [](const Quantized& q) { return !q.usualBits() && !q.codec->symmetric(); });
    rules.add(Severity::Error, "ct-zeros", zeros, "vLLM reads zero points of 4 and 8 bits only",
              symmetricFix(zeros));
    rules.add(
        Severity::Warning, "ct-bits", where(all, [](const Quantized& q) { return !q.usualBits(); }),
        "widths other than 4 and 8 bits need vLLM of mid-2026 (pull requests 46389 and 46390), a GPU from "
        "Turing on, and for 3, 5, 6 and 7 bits compressed-tensors 0.17");
    marlinRules(all, Severity::Warning, rules);
}

bool alike(const std::optional<Scheme>& a, const std::optional<Scheme>& b) {
    if (!a || !b) return !a == !b;
    return a->codec == b->codec && a->codecParams == b->codecParams && a->inputs == b->inputs;
}

} // namespace

std::string stackOf(const QuantTarget& t) {
    constexpr std::string_view kExperts = ".experts.";
    if (const size_t at = t.module.find(kExperts); at != std::string::npos)
        return t.module.substr(0, at + kExperts.size());
    return t.fusedGroup;
}

SchemeFix unifyFix(const Plan& plan) {
    SchemeFix fix{"Make them alike", {}};
    std::map<std::string, const PlanEntry*> first;
    for (const PlanEntry& e : plan.entries) {
        const std::string stack = stackOf(e.target);
        // A kept linear is no example: the others would be kept too.
        if (const auto it = first.try_emplace(stack, &e).first; !it->second->scheme && e.scheme)
            it->second = &e;
    }
    for (size_t i = 0; i < plan.entries.size(); ++i) {
        const std::string stack = stackOf(plan.entries[i].target);
        if (stack.empty()) continue;
        const PlanEntry& example = *first.at(stack);
        if (!alike(plan.entries[i].scheme, example.scheme)) fix.schemes.emplace_back(i, example.scheme);
    }
    return fix;
}

SchemeFix ggmlFallbackFix(const Plan& plan) {
    static const std::map<std::string, const char*> fallbacks = {{"q2_k", "q4_0"},     {"q3_k", "q4_0"},
                                                                 {"iq4_xs", "iq4_nl"}, {"q4_k", "q5_0"},
                                                                 {"q5_k", "q5_1"},     {"q6_k", "q8_0"}};
    SchemeFix fix{"Use types of 32", {}};
    for (size_t i = 0; i < plan.entries.size(); ++i) {
        const PlanEntry& e = plan.entries[i];
        if (!e.scheme || e.scheme->codec != "ggml" || e.target.cols % 256 == 0 || e.target.cols % 32 != 0)
            continue;
        const auto it = fallbacks.find(e.scheme->codecParams.choice("type"));
        if (it != fallbacks.end()) change(fix, i, *e.scheme, "type", it->second);
    }
    return fix;
}

std::vector<RuntimeIssue> vllmRules(const Plan& plan, const std::string& exporter) {
    Rules rules("vllm");
    const std::vector<Quantized> all = quantizedOf(plan);
    if (exporter == "gptq") vllmGptq(all, rules);
    if (exporter == "awq") marlinRules(all, Severity::Error, rules);
    if (exporter == "compressed_tensors") vllmCompressed(all, rules);
    if (exporter == "bnb_nf4" && !all.empty())
        rules.remark("bnb", "bitsandbytes files run on one GPU only, and their support is to be removed (RFC "
                            "39583): compressed-tensors stays");
    if (exporter == "gguf" && !all.empty())
        rules.remark("gguf", "since 0.24 vLLM opens GGUF only with the plugin vllm-gguf-plugin");
    if (exporter == "dequantized") return rules.take();
    SchemeFix fix = unifyFix(plan);
    std::vector<std::string> stacked;
    for (const auto& [index, scheme] : fix.schemes) {
        const QuantTarget& t = plan.entries[index].target;
        // Packed formats refuse fused linears that differ by themselves.
        if (exporter == "gguf" || stackOf(t) != t.fusedGroup) stacked.push_back(t.module);
    }
    rules.add(Severity::Error, "fused", stacked,
              "vLLM fuses q, k, v and gate, up, and stacks the experts of a layer: they must have one scheme",
              std::move(fix));
    return rules.take();
}

std::vector<RuntimeIssue> transformersRules(const Plan& plan, const std::string& exporter) {
    Rules rules("transformers");
    const std::vector<Quantized> all = quantizedOf(plan);
    if (all.empty()) return {};
    if (exporter == "gptq") {
        SchemeFix fix{"One scheme for all", {}};
        for (size_t i = 0; i < plan.entries.size(); ++i) {
            const PlanEntry& e = plan.entries[i];
            if (e.target.block >= 0 && !alike(e.scheme, all.front().entry->scheme))
                fix.schemes.emplace_back(i, all.front().entry->scheme);
        }
        const std::vector<std::string> mixed(fix.empty() ? 0 : 1, all.front().entry->target.module);
        rules.add(
            Severity::Error, "dynamic", mixed,
            fmt::format("transformers reads one setting for all linears and does not follow `dynamic`; {} "
                        "linears differ from this one",
                        fix.schemes.size()),
            std::move(fix));
    }
    if (exporter == "compressed_tensors")
        rules.add(Severity::Warning, "ct-bits",
                  where(all, [](const Quantized& q) { return !q.usualBits() && q.codec->bits() != 2; }),
                  "3, 5, 6 and 7 bits need compressed-tensors 0.17 or later beside it");
    if (exporter == "gguf")
        rules.remark("gguf",
                     "transformers dequantizes GGUF as it loads: the file is small, the model in memory "
                     "is not");
    return rules.take();
}

} // namespace qs
