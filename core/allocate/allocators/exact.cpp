// SPDX-License-Identifier: Apache-2.0
// Dynamic programming over bytes: after each item, all sums of bytes and cost of which none is both larger
// and dearer than another. Sums that cannot beat the best known choice even if steps could be shared go at
// once, so that few are left near the optimum.
#include "core/allocate/hull.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qs {

namespace {

/// More sums than these are thinned, and the bound says so.
constexpr size_t kMostSums = 400000;

/// A partial choice: items up to some stage.
struct Sum {
    uint64_t bytes = 0;
    double cost = 0;
    uint32_t before = 0; ///< index in the stage before
    uint32_t option = 0;
};

/// What the items from a stage on cost at least, and what they can be had for.
class Rest {
public:
    /// `steps`: hullSteps of all items.
    Rest(std::span<const AllocatorItem> items, size_t first, std::span<const HullStep> steps) {
        for (size_t i = first; i < items.size(); ++i) {
            const AllocatorOption& o = items[i][smallestOption(items[i])];
            bytes_ += o.bytes;
            cost_ += o.cost;
        }
        first_ = first;
        std::copy_if(steps.begin(), steps.end(), std::back_inserter(steps_),
                     [&](const HullStep& s) { return s.item >= first; });
        reached_.reserve(steps_.size() + 1);
        saved_.reserve(steps_.size() + 1);
        reached_.push_back(0);
        saved_.push_back(0);
        for (const HullStep& s : steps_) {
            reached_.push_back(reached_.back() + s.bytes);
            saved_.push_back(saved_.back() + s.gain);
        }
    }

    uint64_t leastBytes() const { return bytes_; }
    /// Lower bound of the cost with so many bytes, at least leastBytes().
    double bound(uint64_t bytes) const {
        const uint64_t room = bytes - bytes_;
        const size_t whole = wholeSteps(room);
        double cost = cost_ - saved_[whole];
        if (whole < steps_.size())
            cost -= steps_[whole].gain * double(room - reached_[whole]) / double(steps_[whole].bytes);
        return cost;
    }
    /// Cost of the choice that takes whole steps only.
    double reachable(uint64_t bytes) const { return cost_ - saved_[wholeSteps(bytes - bytes_)]; }
    /// That choice, into chosen[first ..].
    void complete(std::span<const AllocatorItem> items, uint64_t bytes, std::vector<size_t>& chosen) const {
        for (size_t i = first_; i < items.size(); ++i)
            chosen[i] = smallestOption(items[i]);
        const size_t whole = wholeSteps(bytes - bytes_);
        for (size_t k = 0; k < whole; ++k)
            chosen[steps_[k].item] = steps_[k].option;
    }

private:
    /// How many steps fit in their order.
    size_t wholeSteps(uint64_t room) const {
        return size_t(std::upper_bound(reached_.begin(), reached_.end(), room) - reached_.begin()) - 1;
    }

    size_t first_ = 0;
    uint64_t bytes_ = 0;
    double cost_ = 0;
    std::vector<HullStep> steps_;
    std::vector<uint64_t> reached_; ///< bytes after so many steps
    std::vector<double> saved_;     ///< cost saved by them
};

class Exact {
public:
    Exact(std::span<const AllocatorItem> items, uint64_t budget)
        : items_(items), budget_(budget), steps_(hullSteps(items)) {}

    Result<Allocation> solve(const JobContext& job) {
        stages_.push_back({Sum{}});
        const Rest all(items_, 0, steps_);
        bestCost_ = all.reachable(budget_);
        const double relaxed = all.bound(budget_);
        for (size_t i = 0; i < items_.size(); ++i) {
            QS_CHECK(job.checkpoint());
            extend(i, Rest(items_, i + 1, steps_));
            job.report("Allocate", double(i + 1), double(items_.size()));
        }
        Allocation out;
        out.chosen = choice();
        for (size_t i = 0; i < items_.size(); ++i) {
            out.bytes += items_[i][out.chosen[i]].bytes;
            out.cost += items_[i][out.chosen[i]].cost;
        }
        out.bound = thinned_ ? std::min(out.cost, relaxed) : out.cost;
        return out;
    }

private:
    void extend(size_t item, const Rest& rest) {
        const std::vector<Sum>& before = stages_.back();
        std::vector<Sum> sums;
        for (size_t k = 0; k < items_[item].size(); ++k) {
            const AllocatorOption& o = items_[item][k];
            for (size_t s = 0; s < before.size(); ++s) {
                const Sum sum{before[s].bytes + o.bytes, before[s].cost + o.cost, uint32_t(s), uint32_t(k)};
                if (sum.bytes + rest.leastBytes() > budget_) break; // ascending
                sums.push_back(sum);
            }
        }
        std::sort(sums.begin(), sums.end(), [](const Sum& a, const Sum& b) {
            return a.bytes != b.bytes ? a.bytes < b.bytes : a.cost < b.cost;
        });
        std::vector<Sum> kept;
        double cheapest = INFINITY;
        for (const Sum& sum : sums) {
            if (sum.cost >= cheapest) continue; // larger and no cheaper than one before
            cheapest = sum.cost;
            const uint64_t room = budget_ - sum.bytes;
            if (const double cost = sum.cost + rest.reachable(room); cost < bestCost_) {
                bestCost_ = cost;
                bestStage_ = item + 1;
                best_ = sum;
            }
            kept.push_back(sum);
        }
        // Sums that cannot be better than what is known; a rounding error must not drop the best.
        const double limit = bestCost_ * (1 - 1e-12);
        std::erase_if(kept,
                      [&](const Sum& sum) { return sum.cost + rest.bound(budget_ - sum.bytes) >= limit; });
        if (kept.size() > kMostSums) thin(kept, rest);
        stages_.push_back(std::move(kept));
    }

    /// The most promising stay.
    void thin(std::vector<Sum>& sums, const Rest& rest) {
        thinned_ = true;
        const auto promise = [&](const Sum& s) { return s.cost + rest.bound(budget_ - s.bytes); };
        std::nth_element(sums.begin(), sums.begin() + long(kMostSums), sums.end(),
                         [&](const Sum& a, const Sum& b) { return promise(a) < promise(b); });
        sums.resize(kMostSums);
        std::sort(sums.begin(), sums.end(), [](const Sum& a, const Sum& b) { return a.bytes < b.bytes; });
    }

    std::vector<size_t> choice() const {
        std::vector<size_t> chosen(items_.size());
        Rest(items_, bestStage_, steps_).complete(items_, budget_ - best_.bytes, chosen);
        Sum sum = best_;
        for (size_t i = bestStage_; i > 0; --i) {
            chosen[i - 1] = sum.option;
            sum = stages_[i - 1][sum.before];
        }
        return chosen;
    }

    std::span<const AllocatorItem> items_;
    uint64_t budget_;
    std::vector<HullStep> steps_;
    std::vector<std::vector<Sum>> stages_; ///< ascending bytes, descending cost
    double bestCost_ = 0;
    size_t bestStage_ = 0; ///< items whose options `best_` says; the rest takes whole steps of the hull
    Sum best_;
    bool thinned_ = false;
};

} // namespace

const AllocatorDescriptor& allocator_exact() {
    static const AllocatorDescriptor d{
        .id = "exact",
        .label = "Exact (dynamic programming)",
        .summary = "The least cost there is within the budget",
        .citation =
            "Kellerer, Pferschy, Pisinger 2004, chapter 11; Malinovskii et al. 2024, arXiv:2411.17525 "
            "(bits per layer by dynamic programming)",
        .solve = [](std::span<const AllocatorItem> items, uint64_t budget, const JobContext& job) {
            return Exact(items, budget).solve(job);
        }};
    return d;
}

} // namespace qs
