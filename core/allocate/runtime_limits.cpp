// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/runtime_limits.h"

#include "core/export/runtime_rules.h"

#include <fmt/format.h>
#include <map>
#include <utility>

namespace qs {

namespace {

/// Linears that a runtime puts together (fused ones, the experts of a layer) have one fate, and so have units
/// that look alike: what a rule says of the first of them it means of all.
class Units {
public:
    explicit Units(const Model& model) {
        std::map<std::string, std::vector<size_t>> members;
        for (size_t t = 0; t < model.targets().size(); ++t) {
            const std::string stack = stackOf(model.targets()[t]);
            members[stack.empty() ? model.targets()[t].module : stack].push_back(t);
        }
        std::map<std::string, size_t> kinds;
        kindOf_.resize(model.targets().size());
        for (const auto& [key, list] : members) {
            std::string look;
            for (const size_t t : list) {
                const QuantTarget& target = model.targets()[t];
                look += fmt::format("{} {} {} {} {};", target.role, target.rows, target.cols,
                                    target.packed != nullptr, target.block >= 0);
            }
            const size_t kind = kinds.try_emplace(std::move(look), kinds.size()).first->second;
            for (const size_t t : list)
                kindOf_[t] = kind;
        }
        count_ = kinds.size();
    }
    size_t count() const { return count_; }
    size_t kindOf(size_t target) const { return kindOf_[target]; }

private:
    std::vector<size_t> kindOf_;
    size_t count_ = 0;
};

/// Modules that errors of the plan name; "" for all.
std::vector<std::string> objections(const ExporterDescriptor& format, const RuntimeProfile& runtime,
                                    const Model& model, const Plan& plan) {
    std::vector<std::string> out;
    const auto add = [&](const LintIssue& issue) {
        if (issue.severity == Severity::Error) out.push_back(issue.where);
    };
    for (const LintIssue& issue : format.lint(model, plan))
        add(issue);
    if (runtime.rules)
        for (const RuntimeIssue& i : runtime.rules(plan, format.id))
            add(i.issue);
    return out;
}

} // namespace

Result<std::set<RefusedCandidate>> refusedCandidates(const SensitivityTable& table, const Model& model,
                                                     const RuntimeProfile& runtime,
                                                     const std::string& exporter) {
    QS_TRY(const ExporterDescriptor* format, findExporter(exporter));
    const Units units(model);
    const auto& targets = model.targets();
    std::map<std::string_view, size_t> targetOf;
    for (size_t t = 0; t < targets.size(); ++t)
        targetOf[targets[t].module] = t;
    std::set<RefusedCandidate> out;
    for (size_t c = 0; c < table.candidates.size(); ++c) {
        std::vector<char> refused(units.count(), 0);
        // Rules name the first that they object to: it goes, and they are asked again about the rest.
        for (bool objected = true; objected;) {
            std::vector<std::optional<Scheme>> schemes(targets.size());
            for (const SensitivityRow& r : table.rows)
                if (const auto it = targetOf.find(r.module);
                    it != targetOf.end() && r.cells[c].legal() && !refused[units.kindOf(it->second)])
                    schemes[it->second] = table.candidates[c];
            objected = false;
            const auto named =
                objections(*format, runtime, model, planFromSchemes(schemes, model, table.seed));
            for (const std::string& module : named) {
                const auto it = targetOf.find(module);
                for (size_t k = 0; k < refused.size(); ++k)
                    if (it == targetOf.end() || units.kindOf(it->second) == k)
                        objected |= !std::exchange(refused[k], char(1));
            }
        }
        for (const SensitivityRow& r : table.rows)
            if (const auto it = targetOf.find(r.module);
                it != targetOf.end() && refused[units.kindOf(it->second)])
                out.emplace(r.module, c);
    }
    return out;
}

Result<uint64_t> weightBytesWithin(uint64_t memory, const ModelSpec& model, MemoryQuestion question) {
    question.weightBytes = 0;
    QS_TRY(const MemoryEstimate e, estimateMemory(model, question));
    const uint64_t other = e.cache + e.compute + e.computeUncertainty;
    if (other >= memory)
        return Error::invalid(fmt::format(
            "{} bytes of memory hold no weights: at {} tokens the KV cache takes {} bytes and the "
            "buffers of a pass up to {}",
            memory, question.context, e.cache, e.compute + e.computeUncertainty));
    return memory - other;
}

} // namespace qs
