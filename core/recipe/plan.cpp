// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/recipe.h"

#include "core/model/packed/packed_linear.h"
#include "core/quant/quantize_common.h"
#include "core/recipe/plan_rules.h"
#include "core/recipe/stored_bytes.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace qs {

using nlohmann::json;

namespace {

void addIssue(Plan& plan, std::optional<LintIssue> issue) {
    if (issue) plan.issues.push_back(std::move(*issue));
}

void lintFusedGroups(Plan& plan) {
    std::map<std::string, std::vector<const PlanEntry*>> groups;
    for (const PlanEntry& e : plan.entries)
        if (!e.target.fusedGroup.empty()) groups[e.target.fusedGroup].push_back(&e);
    for (const auto& [name, entries] : groups) {
        std::vector<const QuantTarget*> members;
        std::vector<const Scheme*> schemes;
        for (const PlanEntry* e : entries) {
            members.push_back(&e->target);
            schemes.push_back(e->scheme ? &*e->scheme : nullptr);
        }
        addIssue(plan, ruleOnFusedGroup(name, members, schemes));
    }
}

void finish(Plan& plan, const Model& model) {
    plan.totalBytesBefore = model.checkpoint().totalBytes();
    plan.totalBytesAfter = plan.totalBytesBefore;
    for (PlanEntry& e : plan.entries) {
        e.bytesBefore = model.storedBytes(e.target);
        TargetRuling ruling = ruleOnTarget(e.target, e.scheme ? &*e.scheme : nullptr, e.bytesBefore, model);
        e.bytesAfter = ruling.bytesAfter;
        addIssue(plan, std::move(ruling.issue));
        plan.totalBytesAfter += e.bytesAfter;
        plan.totalBytesAfter -= e.bytesBefore;
    }
    lintFusedGroups(plan);
    std::unordered_set<std::string> quantized;
    for (const PlanEntry& e : plan.entries)
        if (e.scheme) quantized.insert(e.target.module);
    for (LintIssue& issue : ruleOnTransforms(plan.transforms, model,
                                             [&](const std::string& m) { return quantized.count(m) != 0; }))
        plan.issues.push_back(std::move(issue));
    addIssue(plan, ruleOnKvCache(plan, model));
    addIssue(plan, ruleOnProbabilities(plan, model));
    addIssue(plan, ruleOnStoredCache(model));
}

} // namespace

TargetRuling ruleOnTarget(const QuantTarget& target, const Scheme* scheme, uint64_t bytesBefore,
                          const Model& model) {
    TargetRuling out{bytesBefore, {}};
    if (!scheme) return out;
    const auto refuse = [&](const char* rule, std::string message) {
        out.issue = LintIssue{Severity::Error, rule, target.module, std::move(message)};
        return out;
    };
    if (target.packed)
        return refuse("already-quantized",
                      fmt::format("The checkpoint stores it as {}; rounding it once more would add a second "
                                  "error to the first. Open the original model.",
                                  target.packed->label));
    auto codec = createCodec(scheme->codec, scheme->codecParams);
    if (!codec) return refuse("codec", codec.error().describe());
    auto method = findMethod(scheme->method);
    if (!method) return refuse("method", method.error().describe());
    auto bits = storedBits(**codec, **method, *scheme, target.rows, target.cols);
    if (!bits)
        return refuse("group-divides-row", bits.error().message + ". Choose a group that divides it, or -1.");
    out.bytesAfter = storedBytes(*bits);
    if (auto range = requireRange(**codec, rangeChoice(scheme->methodParams)); !range)
        return refuse("range", range.error().message);
    if (auto inputs = inputRounder(*scheme); !inputs)
        return refuse("inputs", inputs.error().describe());
    else if (*inputs)
        if (auto layout = (*inputs)->codec().layout(1, target.cols); !layout)
            return refuse("inputs", "The format of its inputs does not fit: " + layout.error().message);
    if (auto outputs = outputRounder(*scheme); !outputs)
        return refuse("outputs", outputs.error().describe());
    else if (*outputs)
        if (auto layout = (*outputs)->codec().layout(1, target.rows); !layout)
            return refuse("outputs", "The format of its outputs does not fit: " + layout.error().message);
    if ((*method)->needs != Needs::Nothing && (!model.hasForward() || target.site.empty()))
        return refuse(
            "needs-calibration",
            fmt::format("{} needs calibration, but {}. Choose a data-free method such as rtn.",
                        (*method)->label,
                        model.hasForward() ? "the tensor has no activation site" : model.noForwardReason()));
    return out;
}

std::optional<LintIssue> ruleOnFusedGroup(const std::string& name,
                                          std::span<const QuantTarget* const> members,
                                          std::span<const Scheme* const> schemes) {
    const auto like = [](const Scheme* a, const Scheme* b) {
        if (a == b) return true;
        return a && b && a->codec == b->codec && a->codecParams == b->codecParams && a->inputs == b->inputs;
    };
    if (std::all_of(schemes.begin(), schemes.end(),
                    [&](const Scheme* s) { return like(s, schemes.front()); }))
        return std::nullopt;
    std::string names;
    for (const QuantTarget* t : members)
        names += (names.empty() ? "" : ", ") + t->role;
    return LintIssue{Severity::Warning, "fused-group", name,
                     fmt::format("{} differ in format. vLLM fuses them and cannot load the mix.", names)};
}

bool Plan::hasErrors() const {
    for (const LintIssue& i : issues)
        if (i.severity == Severity::Error) return true;
    return false;
}

bool Plan::needsCalibration() const {
    if (needCalibration()) return true;
    return std::any_of(entries.begin(), entries.end(), [](const PlanEntry& e) {
        if (!e.scheme) return false;
        const auto m = findMethod(e.scheme->method);
        return (m && (*m)->needs != Needs::Nothing) || (e.scheme->inputs && e.scheme->inputs->isSearched());
    });
}

double Plan::bitsPerWeight() const {
    double bits = 0, weights = 0;
    for (const PlanEntry& e : entries)
        if (e.scheme) {
            bits += 8.0 * double(e.bytesAfter);
            weights += double(e.target.rows) * double(e.target.cols);
        }
    return weights > 0 ? bits / weights : 0;
}

json Plan::toJson() const {
    json out = {{"seed", seed}, {"tensors", json::object()}};
    for (const PlanEntry& e : entries)
        out["tensors"][e.target.module] = e.scheme ? e.scheme->toJson() : json();
    addTo(out);
    return out;
}

std::string Plan::fingerprint() const {
    return sha256Hex(toJson().dump());
}

Plan resolvePlan(const Recipe& recipe, const Model& model) {
    Plan plan;
    plan.seed = recipe.seed;
    static_cast<ModelSettings&>(plan) = recipe;
    plan.ruleMatches.assign(recipe.rules.size(), 0);
    for (const QuantTarget& t : model.targets()) {
        PlanEntry e;
        e.target = t;
        for (size_t r = 0; r < recipe.rules.size() && e.rule < 0; ++r)
            if (globMatches(recipe.rules[r].match, t.module)) {
                e.rule = int(r);
                e.scheme = recipe.rules[r].scheme;
                ++plan.ruleMatches[r];
            }
        plan.entries.push_back(std::move(e));
    }
    finish(plan, model);
    for (size_t r = 0; r < recipe.rules.size(); ++r)
        if (plan.ruleMatches[r] == 0) {
            size_t shadowed = 0;
            for (const QuantTarget& t : model.targets())
                shadowed += globMatches(recipe.rules[r].match, t.module);
            addIssue(plan, LintIssue{Severity::Error, "rule-matches-nothing", "",
                                     shadowed ? fmt::format(
                                                    "Rule {} '{}' decides no tensor: earlier rules match all "
                                                    "{} of them.",
                                                    r + 1, recipe.rules[r].match, shadowed)
                                              : fmt::format("Rule {} '{}' matches no tensor.", r + 1,
                                                            recipe.rules[r].match)});
        }
    return plan;
}

Plan planFromSchemes(const std::vector<std::optional<Scheme>>& schemes, const Model& model, uint64_t seed,
                     ModelSettings settings) {
    Plan plan;
    plan.seed = seed;
    static_cast<ModelSettings&>(plan) = std::move(settings);
    for (size_t i = 0; i < model.targets().size(); ++i) {
        PlanEntry e;
        e.target = model.targets()[i];
        if (i < schemes.size()) e.scheme = schemes[i];
        plan.entries.push_back(std::move(e));
    }
    finish(plan, model);
    return plan;
}

} // namespace qs
