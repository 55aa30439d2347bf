// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/recipe.h"

#include "core/model/packed/packed_linear.h"
#include "core/recipe/stored_bytes.h"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs {

using nlohmann::json;

namespace {

void issue(Plan& plan, Severity severity, const char* rule, const std::string& where, std::string message) {
    plan.issues.push_back({severity, rule, where, std::move(message)});
}

void resolveEntry(Plan& plan, PlanEntry& e, const Model& model) {
    e.bytesBefore = model.storedBytes(e.target);
    e.bytesAfter = e.bytesBefore;
    if (!e.scheme) return;
    const std::string& module = e.target.module;
    if (e.target.packed)
        return issue(plan, Severity::Error, "already-quantized", module,
                     fmt::format("The checkpoint stores it as {}; rounding it once more would add a second "
                                 "error to the first. Open the original model.",
                                 e.target.packed->label));
    auto codec = createCodec(e.scheme->codec, e.scheme->codecParams);
    if (!codec) return issue(plan, Severity::Error, "codec", module, codec.error().describe());
    auto bits = (*codec)->storedBits(e.target.rows, e.target.cols);
    if (!bits)
        return issue(plan, Severity::Error, "group-divides-row", module,
                     bits.error().message + ". Choose a group that divides it, or -1.");
    e.bytesAfter = storedBytes(*bits);
    auto method = findMethod(e.scheme->method);
    if (!method) return issue(plan, Severity::Error, "method", module, method.error().describe());
    if ((*method)->needs == Needs::Sigma && (!model.hasForward() || e.target.site.empty()))
        issue(plan, Severity::Error, "needs-calibration", module,
              fmt::format(
                  "{} needs calibration, but {}. Choose a data-free method such as rtn.", (*method)->label,
                  model.hasForward() ? "the tensor has no activation site" : model.noForwardReason()));
}

// Runtimes that fuse these linears want one scheme for all; said here once, as a warning. Exporters decide
// what is an error.
void lintFusedGroups(Plan& plan) {
    std::map<std::string, std::vector<const PlanEntry*>> groups;
    for (const PlanEntry& e : plan.entries)
        if (!e.target.fusedGroup.empty()) groups[e.target.fusedGroup].push_back(&e);
    for (const auto& [name, members] : groups) {
        bool same = true;
        for (const PlanEntry* e : members)
            same = same && e->scheme.has_value() == members[0]->scheme.has_value() &&
                   (!e->scheme || (e->scheme->codec == members[0]->scheme->codec &&
                                   e->scheme->codecParams == members[0]->scheme->codecParams));
        if (same) continue;
        std::string names;
        for (const PlanEntry* e : members)
            names += (names.empty() ? "" : ", ") + e->target.role;
        issue(plan, Severity::Warning, "fused-group", name,
              fmt::format("{} differ in format. vLLM fuses them and cannot load the mix.", names));
    }
}

void finish(Plan& plan, const Model& model) {
    plan.totalBytesBefore = model.checkpoint().totalBytes();
    plan.totalBytesAfter = plan.totalBytesBefore;
    for (PlanEntry& e : plan.entries) {
        resolveEntry(plan, e, model);
        plan.totalBytesAfter += e.bytesAfter;
        plan.totalBytesAfter -= e.bytesBefore;
    }
    lintFusedGroups(plan);
}

} // namespace

bool Plan::hasErrors() const {
    for (const LintIssue& i : issues)
        if (i.severity == Severity::Error) return true;
    return false;
}

bool Plan::needsCalibration() const {
    for (const PlanEntry& e : entries)
        if (e.scheme)
            if (auto m = findMethod(e.scheme->method); m && (*m)->needs == Needs::Sigma) return true;
    return false;
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
    return out;
}

std::string Plan::fingerprint() const {
    return sha256Hex(toJson().dump());
}

Plan resolvePlan(const Recipe& recipe, const Model& model) {
    Plan plan;
    plan.seed = recipe.seed;
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
            issue(plan, Severity::Error, "rule-matches-nothing", "",
                  shadowed
                      ? fmt::format("Rule {} '{}' decides no tensor: earlier rules match all {} of them.",
                                    r + 1, recipe.rules[r].match, shadowed)
                      : fmt::format("Rule {} '{}' matches no tensor.", r + 1, recipe.rules[r].match));
        }
    return plan;
}

Plan planFromSchemes(const std::vector<std::optional<Scheme>>& schemes, const Model& model, uint64_t seed) {
    Plan plan;
    plan.seed = seed;
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
