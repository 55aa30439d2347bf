// SPDX-License-Identifier: Apache-2.0
// The convex hull greedily: always the step that saves most per byte, while there is room; then whatever
// single exchange still fits.
#include "core/allocate/hull.h"

#include <limits>

namespace qs {

namespace {

class Greedy {
public:
    Greedy(std::span<const AllocatorItem> items, uint64_t budget)
        : items_(items), budget_(budget), left_(budget) {
        for (const AllocatorItem& item : items) {
            out_.chosen.push_back(smallestOption(item));
            left_ -= item[out_.chosen.back()].bytes;
        }
    }

    Allocation solve() {
        climb();
        useRest(items_, budget_, out_.chosen);
        const double cost = costOf(items_, out_.chosen);
        out_.bytes = bytesOf(items_, out_.chosen);
        out_.cost = cost;
        out_.bound = std::min(out_.bound, cost);
        return std::move(out_);
    }

private:
    void climb() {
        double relaxed = 0; // the cost where a share of a step can be taken
        for (size_t i = 0; i < items_.size(); ++i)
            relaxed += items_[i][out_.chosen[i]].cost;
        std::vector<bool> stuck(items_.size());
        bool full = false;
        for (const HullStep& step : hullSteps(items_)) {
            const bool fits = !stuck[step.item] && step.bytes <= left_;
            if (!full) {
                relaxed -= fits ? step.gain : step.gain * double(left_) / double(step.bytes);
                full = !fits;
            }
            if (!fits) {
                stuck[step.item] = true; // later steps start from the option that it leads to
                continue;
            }
            out_.chosen[step.item] = step.option;
            left_ -= step.bytes;
        }
        out_.bound = std::max(0.0, relaxed);
    }

    std::span<const AllocatorItem> items_;
    uint64_t budget_, left_;
    Allocation out_;
};

} // namespace

const AllocatorDescriptor& allocator_greedy() {
    static const AllocatorDescriptor d{
        .id = "greedy",
        .label = "Convex hull, greedy",
        .summary = "Takes the steps that save most per byte; within the cost of one step of the best, and "
                   "fast enough "
                   "to follow a slider",
        .citation = "Sinha and Zoltners 1979 (multiple-choice knapsack, linear relaxation)",
        .solve = [](std::span<const AllocatorItem> items, uint64_t budget,
                    const JobContext&) -> Result<Allocation> { return Greedy(items, budget).solve(); }};
    return d;
}

} // namespace qs
