// SPDX-License-Identifier: Apache-2.0
// LivePlan: what a plan says about every target, kept current while schemes change. A change of n schemes
// costs what those n cost, however many targets there are; planFromSchemes() answers the same from nothing.
#pragma once

#include "core/recipe/recipe.h"

#include <memory>
#include <span>
#include <unordered_map>

namespace qs {

/// The totals of a plan.
struct PlanSummary {
    uint64_t totalBytesBefore = 0; ///< of the whole checkpoint
    uint64_t totalBytesAfter = 0;  ///< with quantized payloads in place
    uint64_t quantizedBytes = 0;   ///< payload of what has a scheme
    uint64_t quantizedWeights = 0;
    size_t quantized = 0;       ///< targets that have a scheme
    size_t errors = 0;          ///< issues of severity Error
    size_t needCalibration = 0; ///< targets whose method needs Sigma
    size_t targets = 0;

    bool hasErrors() const { return errors > 0; }
    bool needsCalibration() const { return needCalibration > 0; }
    /// Quantized payload bits per quantized weight; 0 when nothing is quantized.
    double bitsPerWeight() const;
};

/// Not thread-safe.
class LivePlan {
public:
    /// Null: kept. Equal schemes must be one object: pointers compare as values.
    using SchemePtr = std::shared_ptr<const Scheme>;

    LivePlan() = default;
    LivePlan(LivePlan&&) = default; // not copied: answers are pointed at
    LivePlan& operator=(LivePlan&&) = default;
    /// `schemes` has one entry per target of the model.
    LivePlan(std::shared_ptr<const Model> model, std::vector<SchemePtr> schemes);

    const std::vector<SchemePtr>& schemes() const { return schemes_; }
    const PlanSummary& summary() const { return summary_; }
    uint64_t bytesBefore(size_t target) const { return bytesBefore_[target]; }
    uint64_t bytesAfter(size_t target) const;
    /// How the checkpoint stores a target that is quantized already, else nullptr.
    const PackedInfo* packed(size_t target) const { return kinds_[kindOf_[target]].packed; }
    /// The worst issue that speaks about a target, its own or its fused group's; nullptr when there is none.
    const LintIssue* issueOf(size_t target) const;

    /// `schemes[i]` becomes that of `targets[i]`. Returns, sorted, the targets that now say something else:
    /// those that changed and their neighbours in a fused group whose warning came or went.
    std::vector<size_t> assign(std::span<const size_t> targets, std::span<const SchemePtr> schemes);

    /// In the order of planFromSchemes().
    std::vector<LintIssue> issues() const;
    Plan toPlan(uint64_t seed) const;

private:
    /// What a scheme makes of every target of one kind.
    struct Answer {
        SchemePtr scheme; ///< keeps the address that is part of the key
        uint64_t bytesAfter = 0;
        bool needsCalibration = false;
        std::optional<LintIssue> issue; ///< `where` is empty
    };
    /// Targets of one kind get one answer. Kept here because a model's targets are large and 100k of them
    /// cold.
    struct Kind {
        uint64_t weights = 0;
        const PackedInfo* packed = nullptr; ///< belongs to the model
    };
    struct Group {
        std::string name;
        std::vector<size_t> members;
        std::optional<LintIssue> issue;
    };
    /// The answers about one scheme, by kind of target; empty where nobody asked yet.
    using Answers = std::vector<std::optional<Answer>>;
    void findKinds();
    void findGroups();
    const Answer* answerFor(size_t target);
    bool lintGroup(Group& group); ///< true when its issue came or went
    void count(size_t target, int sign);

    std::shared_ptr<const Model> model_;
    std::vector<SchemePtr> schemes_;
    std::vector<uint64_t> bytesBefore_;
    std::vector<const Answer*> answers_; ///< nullptr: kept
    std::vector<Group> groups_;          ///< by name
    std::vector<int> groupOf_;           ///< -1: fused with nothing
    std::vector<uint32_t> kindOf_;       ///< same shape, source, activations
    std::vector<Kind> kinds_;
    std::unordered_map<const Scheme*, Answers> known_;
    std::pair<const Scheme*, Answers*> lastAsked_{}; ///< an edit asks about one scheme over and over
    PlanSummary summary_;
};

} // namespace qs
