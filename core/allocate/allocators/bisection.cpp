// SPDX-License-Identifier: Apache-2.0
// Bisection on how many items have few bits, with the loss measured. Items are ordered by a sensitivity that
// holds what others do to them; rung by rung, as many of the least sensitive go one rung down as keep the
// loss within a limit, found by bisection. The paper is given the limit and takes what size follows; here a
// budget is given, and the limit is bisected until the size meets it.
//
// The sensitivity of the paper is a diagonal plus terms of pairs of layers. With L(x) = sum_i a_i + sum_{i<j}
// J_ij the loss of all items lowered, raising item i alone gains a_i + sum_j J_ij: all its terms from one
// measurement, where pairs would take n / 2 of them for each item.
#include "core/allocate/hull.h"
#include "core/allocate/measured_choices.h"

#include <algorithm>
#include <numeric>

namespace qs {

namespace {

constexpr int kMostLimits = 24; ///< that are tried

class Bisection {
public:
    Bisection(std::span<const AllocatorItem> items, uint64_t budget, const ChoiceMeasure& measure,
              const JobContext& job)
        : items_(items)
        , budget_(budget)
        , evaluations_(measure.evaluations)
        , measured_(items, budget, measure, job) {
        for (const AllocatorItem& item : items) {
            ladders_.push_back(paretoOptions(item));
            std::ranges::reverse(ladders_.back()); // the largest first
            rungs_ = std::max(rungs_, ladders_.back().size());
        }
    }

    Result<Allocation> solve() {
        const Choice top = uniform(0), bottom = uniform(rungs_ - 1);
        if (bytesOf(items_, top) <= budget_) {
            QS_CHECK(measured_.damage(top));
            return measured_.allocation(top);
        }
        QS_TRY(const auto worst, measured_.damage(bottom));
        fitting_ = bottom;
        QS_CHECK(order());
        double low = 0, high = *worst; // the first evaluation of all: it is known
        for (int i = 0; i < kMostLimits && measured_.left() > 0; ++i) {
            // Losses of rungs lie orders of magnitude apart: the middle of logarithms, once there is one.
            const double limit = low > 0 ? std::sqrt(low * high) : high / 16;
            QS_TRY(const auto plan, planWithin(limit));
            if (!plan) break; // no evaluation is left
            const uint64_t bytes = bytesOf(items_, *plan);
            if (bytes <= budget_) fitting_ = *plan;
            (bytes <= budget_ ? high : low) = limit;
            if (low > 0 && high / low < 1.01) break;
        }
        return finish();
    }

private:
    Choice uniform(size_t rung) const {
        Choice out;
        for (const auto& ladder : ladders_)
            out.push_back(ladder[std::min(rung, ladder.size() - 1)]);
        return out;
    }

    /// The least sensitive per byte first: items differ in size, and bytes are what is short.
    Result<void> order() {
        const size_t n = items_.size();
        size_t rung = 0;
        while (rung + 1 < rungs_ && bytesOf(items_, uniform(rung)) > budget_)
            ++rung;
        const Choice lowered = uniform(rung), top = uniform(0);
        std::vector<double> sensitivity(n);
        const auto saved = [&](size_t i) {
            return std::max(1.0, double(items_[i][top[i]].bytes) - double(items_[i][lowered[i]].bytes));
        };
        for (size_t i = 0; i < n; ++i)
            sensitivity[i] = (items_[i][lowered[i]].cost - items_[i][top[i]].cost) / saved(i);
        if (2 * (n + 1) <= evaluations_) { // else the bisection would be left with nothing
            QS_TRY(const auto all, measured_.damage(lowered));
            for (size_t i = 0; i < n && all; ++i) {
                Choice raised = lowered;
                raised[i] = top[i];
                QS_TRY(const auto without, measured_.damage(raised));
                if (without) sensitivity[i] = (*all - *without) / saved(i);
            }
        }
        order_.resize(n);
        std::iota(order_.begin(), order_.end(), size_t(0));
        std::ranges::stable_sort(order_, {}, [&](size_t i) { return sensitivity[i]; });
        return {};
    }

    /// The smallest plan of this kind whose loss is within the limit; none when evaluations run out.
    Result<std::optional<Choice>> planWithin(double limit) {
        Choice plan = uniform(0);
        size_t count = items_.size(); // of the order, on the rung above
        for (size_t rung = 1; rung < rungs_ && count > 0; ++rung) {
            size_t fits = 0, tooMany = count + 1;
            while (tooMany - fits > 1) {
                const size_t middle = fits + (tooMany - fits) / 2;
                QS_TRY(const auto damage, measured_.damage(lowered(plan, middle, rung)));
                if (!damage) return std::optional<Choice>();
                (*damage <= limit ? fits : tooMany) = middle;
            }
            plan = lowered(plan, fits, rung);
            count = fits;
        }
        return std::optional(plan);
    }

    Choice lowered(Choice plan, size_t count, size_t rung) const {
        for (size_t k = 0; k < count; ++k) {
            const auto& ladder = ladders_[order_[k]];
            plan[order_[k]] = ladder[std::min(rung, ladder.size() - 1)];
        }
        return plan;
    }

    /// What the plan leaves of the budget is used; measured too where it can be.
    Result<Allocation> finish() {
        Choice filled = fitting_;
        useRest(items_, budget_, filled);
        QS_CHECK(measured_.damage(filled));
        // Partial plans have been measured on the way; some are within the budget and better.
        const MeasuredChoices::Seen* best = measured_.best();
        return measured_.allocation(best ? best->chosen : filled);
    }

    std::span<const AllocatorItem> items_;
    uint64_t budget_;
    size_t evaluations_;
    MeasuredChoices measured_;
    std::vector<std::vector<size_t>> ladders_; ///< options that are worth having, descending bytes
    size_t rungs_ = 1;
    std::vector<size_t> order_;
    Choice fitting_; ///< the best plan within the budget
};

} // namespace

const AllocatorDescriptor& allocator_bisection() {
    static const AllocatorDescriptor d{
        .id = "bisection",
        .label = "Bisection of measured loss",
        .summary = "Lowers as many of the least sensitive linears as the measured loss allows, with what "
                   "linears do to each other in the order",
        .citation = "Schaefer et al. 2023, arXiv:2306.04879 (inter-layer dependencies; bisection)",
        .search = [](std::span<const AllocatorItem> items, uint64_t budget, const ChoiceMeasure& measure,
                     const JobContext& job) { return Bisection(items, budget, measure, job).solve(); }};
    return d;
}

} // namespace qs
