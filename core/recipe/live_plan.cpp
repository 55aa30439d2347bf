// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/live_plan.h"

#include "core/recipe/plan_rules.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace qs {

namespace {
/// Stands for "as stored", which differs between targets of one shape.
constexpr uint64_t kAsStored = ~uint64_t(0);
} // namespace

double PlanSummary::bitsPerWeight() const {
    return quantizedWeights ? 8.0 * double(quantizedBytes) / double(quantizedWeights) : 0;
}

LivePlan::LivePlan(std::shared_ptr<const Model> model, std::vector<SchemePtr> schemes)
    : model_(std::move(model)), schemes_(std::move(schemes)) {
    const auto& targets = model_->targets();
    schemes_.resize(targets.size());
    answers_.resize(targets.size());
    for (const QuantTarget& t : targets)
        bytesBefore_.push_back(model_->storedBytes(t));
    summary_.targets = targets.size();
    summary_.totalBytesBefore = summary_.totalBytesAfter = model_->checkpoint().totalBytes();
    findKinds();
    findGroups();
    for (size_t t = 0; t < targets.size(); ++t) {
        answers_[t] = answerFor(t);
        count(t, 1);
    }
    for (Group& g : groups_)
        lintGroup(g);
}

void LivePlan::findKinds() {
    std::map<std::tuple<size_t, size_t, const PackedInfo*, bool>, uint32_t> known; // few
    kindOf_.reserve(model_->targets().size());
    for (const QuantTarget& t : model_->targets()) {
        const auto [kind, fresh] =
            known.try_emplace({t.rows, t.cols, t.packed.get(), !t.site.empty()}, uint32_t(kinds_.size()));
        if (fresh) kinds_.push_back({uint64_t(t.rows) * t.cols, t.packed.get()});
        kindOf_.push_back(kind->second);
    }
}

void LivePlan::findGroups() {
    const auto& targets = model_->targets();
    std::map<std::string, std::vector<size_t>> members;
    for (size_t t = 0; t < targets.size(); ++t)
        if (!targets[t].fusedGroup.empty()) members[targets[t].fusedGroup].push_back(t);
    groupOf_.assign(targets.size(), -1);
    for (auto& [name, list] : members) {
        for (const size_t t : list)
            groupOf_[t] = int(groups_.size());
        groups_.push_back({name, std::move(list), {}});
    }
}

const LivePlan::Answer* LivePlan::answerFor(size_t target) {
    const SchemePtr& scheme = schemes_[target];
    if (!scheme) return nullptr;
    if (lastAsked_.first != scheme.get()) {
        Answers& answers = known_[scheme.get()];
        answers.resize(kinds_.size());
        lastAsked_ = {scheme.get(), &answers};
    }
    std::optional<Answer>& known = (*lastAsked_.second)[kindOf_[target]];
    if (known) return &*known;
    TargetRuling ruling = ruleOnTarget(model_->targets()[target], scheme.get(), kAsStored, *model_);
    known = Answer{scheme, ruling.bytesAfter, false, std::move(ruling.issue)};
    if (known->issue) known->issue->where.clear();
    if (const auto method = findMethod(scheme->method))
        known->needsCalibration =
            (*method)->needs != Needs::Nothing || (scheme->inputs && scheme->inputs->isSearched());
    return &*known;
}

uint64_t LivePlan::bytesAfter(size_t target) const {
    const Answer* a = answers_[target];
    return a && a->bytesAfter != kAsStored ? a->bytesAfter : bytesBefore_[target];
}

void LivePlan::count(size_t target, int sign) {
    const Answer* a = answers_[target];
    if (!a) return;
    // Unsigned arithmetic wraps, and back.
    const auto add = [sign](auto& total, uint64_t n) { total += sign > 0 ? n : ~n + 1; };
    add(summary_.totalBytesAfter, bytesAfter(target) - bytesBefore_[target]);
    add(summary_.quantizedBytes, bytesAfter(target));
    add(summary_.quantizedWeights, kinds_[kindOf_[target]].weights);
    add(summary_.quantized, 1);
    add(summary_.errors, a->issue.has_value());
    add(summary_.needCalibration, a->needsCalibration);
}

bool LivePlan::lintGroup(Group& group) {
    // As a rule all members share one scheme, and then there is nothing to compare.
    const SchemePtr& first = schemes_[group.members.front()];
    const bool had = group.issue.has_value();
    group.issue.reset();
    if (!std::all_of(group.members.begin(), group.members.end(),
                     [&](size_t t) { return schemes_[t] == first; })) {
        std::vector<const QuantTarget*> members;
        std::vector<const Scheme*> schemes;
        for (const size_t t : group.members) {
            members.push_back(&model_->targets()[t]);
            schemes.push_back(schemes_[t].get());
        }
        group.issue = ruleOnFusedGroup(group.name, members, schemes);
    }
    return had != group.issue.has_value();
}

std::vector<size_t> LivePlan::assign(std::span<const size_t> targets, std::span<const SchemePtr> schemes) {
    std::vector<size_t> touched(targets.begin(), targets.end());
    std::vector<int> groups; // each once
    std::vector<char> seen(groups_.size(), 0);
    for (size_t i = 0; i < targets.size(); ++i) {
        const size_t t = targets[i];
        count(t, -1);
        schemes_[t] = schemes[i];
        answers_[t] = answerFor(t);
        count(t, 1);
        if (const int g = groupOf_[t]; g >= 0 && !std::exchange(seen[size_t(g)], 1)) groups.push_back(g);
    }
    for (const int g : groups)
        if (Group& group = groups_[size_t(g)]; lintGroup(group))
            touched.insert(touched.end(), group.members.begin(), group.members.end());
    if (!std::is_sorted(touched.begin(), touched.end())) std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    return touched;
}

const LintIssue* LivePlan::issueOf(size_t target) const {
    // What a target is refused for is an error; a group only warns.
    if (const Answer* a = answers_[target]; a && a->issue) return &*a->issue;
    const int g = groupOf_[target];
    return g >= 0 && groups_[size_t(g)].issue ? &*groups_[size_t(g)].issue : nullptr;
}

std::vector<LintIssue> LivePlan::issues() const {
    std::vector<LintIssue> out;
    for (size_t t = 0; t < answers_.size() && summary_.errors > 0; ++t) {
        if (!answers_[t] || !answers_[t]->issue) continue;
        out.push_back(*answers_[t]->issue);
        out.back().where = model_->targets()[t].module;
    }
    for (const Group& g : groups_)
        if (g.issue) out.push_back(*g.issue);
    return out;
}

Plan LivePlan::toPlan(uint64_t seed) const {
    Plan plan;
    plan.seed = seed;
    plan.totalBytesBefore = summary_.totalBytesBefore;
    plan.totalBytesAfter = summary_.totalBytesAfter;
    plan.issues = issues();
    plan.entries.reserve(schemes_.size());
    for (size_t t = 0; t < schemes_.size(); ++t) {
        PlanEntry e;
        e.target = model_->targets()[t];
        if (schemes_[t]) e.scheme = *schemes_[t];
        e.bytesBefore = bytesBefore_[t];
        e.bytesAfter = bytesAfter(t);
        plan.entries.push_back(std::move(e));
    }
    return plan;
}

} // namespace qs
