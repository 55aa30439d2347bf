// SPDX-License-Identifier: Apache-2.0
// The convex hull greedily: always the step that saves most per byte, while there is room; then whatever
// single exchange still fits.
#include "core/allocate/hull.h"

#include <limits>

namespace qs {

namespace {

constexpr int kMostRounds = 8; ///< of exchanges

class Greedy {
public:
    Greedy(std::span<const AllocatorItem> items, uint64_t budget) : items_(items), left_(budget) {
        for (const AllocatorItem& item : items) {
            out_.chosen.push_back(smallestOption(item));
            left_ -= item[out_.chosen.back()].bytes;
        }
    }

    Allocation solve() {
        climb();
        for (int round = 0; round < kMostRounds && exchange(); ++round) {
        }
        double cost = 0;
        for (size_t i = 0; i < items_.size(); ++i) {
            cost += items_[i][out_.chosen[i]].cost;
            out_.bytes += items_[i][out_.chosen[i]].bytes;
        }
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

    /// Items in turn take the option that lowers their cost most with the bytes that are left.
    bool exchange() {
        bool changed = false;
        for (size_t i = 0; i < items_.size(); ++i) {
            const AllocatorItem& item = items_[i];
            const uint64_t room = item[out_.chosen[i]].bytes + left_;
            size_t best = out_.chosen[i];
            for (size_t k = 0; k < item.size(); ++k)
                if (item[k].bytes <= room && item[k].cost < item[best].cost) best = k;
            if (best == out_.chosen[i]) continue;
            left_ = room - item[best].bytes;
            out_.chosen[i] = best;
            changed = true;
        }
        return changed;
    }

    std::span<const AllocatorItem> items_;
    uint64_t left_;
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
