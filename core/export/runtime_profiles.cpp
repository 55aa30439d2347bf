// SPDX-License-Identifier: Apache-2.0
#include "core/export/runtime_profiles.h"

#include "core/export/runtime_rules.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace qs {

namespace {

/// What would lift a format's objection, where that is a matter of schemes.
SchemeFix formatFix(const LintIssue& issue, const Plan& plan) {
    if (issue.rule == "fused-group") return unifyFix(plan);
    if (issue.rule == "gguf-type") return ggmlFallbackFix(plan);
    return {};
}

} // namespace

bool FormatVerdict::loads() const {
    return std::none_of(issues.begin(), issues.end(),
                        [](const RuntimeIssue& i) { return i.issue.severity == Severity::Error; });
}

std::string FormatVerdict::text() const {
    for (const RuntimeIssue& i : issues)
        if (i.issue.severity == Severity::Error) return "does not load: " + i.issue.message;
    if (issues.empty()) return "loads";
    return fmt::format("loads, {} remark{}", issues.size(), issues.size() == 1 ? "" : "s");
}

std::span<const RuntimeProfile> runtimeProfiles() {
    static const std::vector<RuntimeProfile> profiles = {
        {"llama.cpp", "llama.cpp", "b10572, August 2026", {"gguf"}, nullptr, true},
        {"vllm",
         "vLLM",
         "of mid-2026",
         {"compressed_tensors", "gptq", "awq", "fp8", "dequantized", "bnb_nf4", "gguf"},
         vllmRules},
        {"transformers",
         "transformers",
         "5, mid-2026",
         {"dequantized", "compressed_tensors", "gptq", "awq", "fp8", "bnb_nf4", "gguf"},
         transformersRules},
        {"gptqmodel", "GPTQModel", "of August 2026", {"gptq", "awq"}},
    };
    return profiles;
}

Result<const RuntimeProfile*> findRuntimeProfile(const std::string& id) {
    std::string known;
    for (const RuntimeProfile& p : runtimeProfiles()) {
        if (p.id == id) return &p;
        known += (known.empty() ? "" : ", ") + p.id;
    }
    return Error::notFound(fmt::format("no runtime \"{}\"; known are {}", id, known));
}

std::vector<FormatVerdict> checkRuntime(const RuntimeProfile& profile, const Plan& plan,
                                        const FormatIssues& formatIssues) {
    std::vector<FormatVerdict> out;
    for (const std::string& id : profile.exporters) {
        FormatVerdict v{id, {}};
        std::set<std::string> rules;
        for (LintIssue& issue : formatIssues(**findExporter(id))) {
            if (issue.severity != Severity::Error && !profile.formatWarnings) continue;
            SchemeFix fix = rules.insert(issue.rule).second ? formatFix(issue, plan) : SchemeFix();
            v.issues.push_back({std::move(issue), std::move(fix)});
        }
        if (profile.rules)
            for (RuntimeIssue& issue : profile.rules(plan, id))
                v.issues.push_back(std::move(issue));
        out.push_back(std::move(v));
    }
    return out;
}

std::vector<FormatVerdict> checkRuntime(const RuntimeProfile& profile, const Model& model, const Plan& plan) {
    return checkRuntime(profile, plan, [&](const ExporterDescriptor& e) { return e.lint(model, plan); });
}

} // namespace qs
