// SPDX-License-Identifier: Apache-2.0
#include "core/export/gptq_format.h"
#include "core/export/packed_lint.h"

#include <algorithm>

namespace qs {

namespace {

const PackedRules& rules() {
    static const PackedRules r{.format = "gptq",
                               .label = "GPTQ",
                               .bits = {2, 3, 4, 8},
                               .scaleTypes = {DType::F16},
                               .outMultiple = 32,
                               .inMultiple = 32};
    return r;
}

/// What loads, but not everywhere.
void checkRuntimes(const Plan& plan, const std::vector<LintEntry>& entries, LintList& list) {
    const auto any = [&](auto&& rule) { return std::any_of(entries.begin(), entries.end(), rule); };
    const bool kept =
        std::any_of(plan.entries.begin(), plan.entries.end(), [](const auto& e) { return !e.scheme; });
    const bool mixed = any([&](const LintEntry& e) {
        return !(e.entry->scheme->codecParams == entries.front().entry->scheme->codecParams);
    });
    if (!entries.empty() && (mixed || kept))
        list.warn("dynamic", "different settings per linear are written as `dynamic` rules: vLLM, SGLang and "
                             "GPTQModel follow them, transformers alone does not");
    if (any([](const LintEntry& e) {
            return !e.codec->symmetric() || (e.codec->bits() != 4 && e.codec->bits() != 8);
        }))
        list.warn("v2", "zero points other than the middle, and 2 or 3 bits, are written as gptq_v2: "
                        "GPTQModel and transformers read it, vLLM since 2026 only symmetric 4 and 8 bits");
    if (any([](const LintEntry& e) {
            const size_t g = e.layout.groupSize;
            return e.layout.groups > 1 && g != 32 && g != 64 && g != 128;
        }))
        list.warn("group", "the fast kernels of vLLM and SGLang want groups of 32, 64, 128 or a whole row");
}

} // namespace

std::vector<LintIssue> lintGptq(const Model& model, const Plan& plan) {
    return lintPacked(model, plan, rules(),
                      [&](const auto& entries, LintList& list) { checkRuntimes(plan, entries, list); });
}

} // namespace qs
