// SPDX-License-Identifier: Apache-2.0
// What searches by measuring share: each choice is measured once, the calls are counted, and the best within
// the budget is remembered; and how they draw choices.
#pragma once

#include "core/allocate/allocator.h"

#include <map>
#include <optional>
#include <random>

namespace qs {

using Choice = std::vector<size_t>; ///< an option of every item

class MeasuredChoices {
public:
    struct Seen {
        Choice chosen;
        uint64_t bytes = 0;
        double damage = 0;
    };

    /// All must live as long.
    MeasuredChoices(std::span<const AllocatorItem> items, uint64_t budget, const ChoiceMeasure& measure,
                    const JobContext& job)
        : items_(items), budget_(budget), measure_(measure), job_(job) {}

    /// Known ones again cost nothing; none: it is not known, and no evaluation is left.
    Result<std::optional<double>> damage(const Choice& chosen);
    bool isKnown(const Choice& chosen) const { return index_.count(chosen) != 0; }
    size_t left() const { return measure_.evaluations - seen_.size(); }
    const std::vector<Seen>& seen() const { return seen_; } ///< in the order of their evaluation
    /// The least damage within the budget; nullptr before there is one. Of equals the first.
    const Seen* best() const;
    /// An allocation of it. `chosen` is within the budget; its damage, if it is known, and the bound of the
    /// sum of costs by the linear relaxation.
    Allocation allocation(const Choice& chosen) const;

private:
    std::span<const AllocatorItem> items_;
    uint64_t budget_;
    const ChoiceMeasure& measure_;
    const JobContext& job_;
    std::vector<Seen> seen_;
    std::map<Choice, size_t> index_;
};

/// Draws choices within a budget. The numbers are those of the generator itself: distributions of the
/// standard library differ between systems.
class ChoiceDraw {
public:
    ChoiceDraw(std::span<const AllocatorItem> items, uint64_t budget, uint64_t seed);

    double unit() { return double(random_() >> 11) * 0x1p-53; } ///< 0 <= unit < 1
    size_t below(size_t n) { return size_t(unit() * double(n)); }
    /// Every item moves with probability `rate` to an option next to its own, by bytes.
    void mutate(Choice& chosen, double rate);
    /// Items drawn at random step down until the choice fits, then up where there is room.
    void fit(Choice& chosen);
    Choice any(); ///< within the budget

private:
    std::span<const AllocatorItem> items_;
    uint64_t budget_;
    std::mt19937_64 random_;
    std::vector<std::vector<size_t>> ladder_; ///< paretoOptions() of each item
    size_t placeOf(size_t item, size_t option) const;
};

/// The exact allocation of the costs, and draws around it, measured: what surrogates start from. `count` at
/// most, fewer when evaluations run out.
Result<void> measureStart(std::span<const AllocatorItem> items, uint64_t budget, size_t count,
                          ChoiceDraw& draw, MeasuredChoices& measured, const JobContext& job);

} // namespace qs
