// SPDX-License-Identifier: Apache-2.0
// Quantune: configurations are drawn, the ones that boosted trees think best are measured, and the trees are
// fitted again with them. An option of an item may be any scheme (method, bits, group, format). The trees see
// what the cost of each item's option is, and learn by what the logarithm of the measured damage differs
// from that of the sum: trees do not extrapolate, the sum does.
#include "core/allocate/boosted_trees.h"
#include "core/allocate/hull.h"
#include "core/allocate/measured_choices.h"

#include <algorithm>

namespace qs {

namespace {

constexpr size_t kPool = 400;    ///< drawn choices that the trees rank in a round
constexpr size_t kParents = 5;   ///< measured ones that they are drawn around
constexpr double kExplore = 0.2; ///< share of a round that is measured whatever the trees say
constexpr double kTiny = 1e-12;  ///< nats: below it, logarithms say nothing

class TunedByTrees {
public:
    TunedByTrees(std::span<const AllocatorItem> items, uint64_t budget, const ChoiceMeasure& measure,
                 const JobContext& job)
        : items_(items)
        , budget_(budget)
        , evaluations_(measure.evaluations)
        , draw_(items, budget, measure.seed)
        , measured_(items, budget, measure, job)
        , job_(job) {}

    Result<Allocation> solve() {
        QS_CHECK(
            measureStart(items_, budget_, std::max<size_t>(2, evaluations_ / 4), draw_, measured_, job_));
        const size_t batch = std::max<size_t>(1, evaluations_ / 10);
        while (measured_.left() > 0) {
            QS_CHECK(job_.checkpoint());
            const size_t before = measured_.left();
            QS_CHECK(round(batch));
            if (measured_.left() == before) break; // nothing new was drawn: the choices are all known
        }
        return measured_.allocation(measured_.best()->chosen);
    }

private:
    std::vector<double> features(const Choice& chosen) const {
        std::vector<double> out;
        for (size_t i = 0; i < items_.size(); ++i)
            out.push_back(items_[i][chosen[i]].cost);
        return out;
    }
    double sumOf(const Choice& chosen) const { return std::log(costOf(items_, chosen) + kTiny); }

    BoostedTrees fitted() const {
        const auto& seen = measured_.seen();
        MatrixD x(seen.size(), items_.size());
        std::vector<double> y;
        for (size_t s = 0; s < seen.size(); ++s) {
            std::ranges::copy(features(seen[s].chosen), x.data() + s * x.cols());
            y.push_back(std::log(seen[s].damage + kTiny) - sumOf(seen[s].chosen));
        }
        return BoostedTrees::fit(x, y, {});
    }

    std::vector<Choice> parents() const {
        std::vector<const MeasuredChoices::Seen*> order;
        for (const auto& s : measured_.seen())
            order.push_back(&s);
        std::ranges::stable_sort(order, {}, [](const auto* s) { return s->damage; });
        std::vector<Choice> out;
        for (size_t i = 0; i < std::min(kParents, order.size()); ++i)
            out.push_back(order[i]->chosen);
        return out;
    }

    Result<void> round(size_t batch) {
        const BoostedTrees trees = fitted();
        const std::vector<Choice> around = parents();
        std::map<Choice, double> pool; // ordered by the choice: the same on every system
        for (size_t n = 0; n < kPool; ++n) {
            Choice c = around[draw_.below(around.size())];
            draw_.mutate(c, 0.02 + 0.2 * draw_.unit());
            draw_.fit(c);
            if (!measured_.isKnown(c)) pool.try_emplace(c, trees.predict(features(c)) + sumOf(c));
        }
        std::vector<std::pair<double, const Choice*>> order;
        for (const auto& [choice, value] : pool)
            order.emplace_back(value, &choice);
        std::ranges::stable_sort(order, {}, [](const auto& o) { return o.first; });
        const auto explored = size_t(kExplore * double(batch));
        for (size_t n = 0; n < std::min(batch, order.size()); ++n) {
            const bool explore = n + explored >= batch;
            QS_CHECK(measured_.damage(*order[explore ? draw_.below(order.size()) : n].second));
        }
        return {};
    }

    std::span<const AllocatorItem> items_;
    uint64_t budget_;
    size_t evaluations_;
    ChoiceDraw draw_;
    MeasuredChoices measured_;
    const JobContext& job_;
};

} // namespace

const AllocatorDescriptor& allocator_boosted_trees() {
    static const AllocatorDescriptor d{
        .id = "boosted_trees",
        .label = "Boosted trees",
        .summary = "Measures the choices that gradient-boosted trees, fitted to those measured before, think "
                   "best",
        .citation = "Lee et al. 2022, arXiv:2202.05048 (Quantune); Chen and Guestrin 2016, arXiv:1603.02754 "
                    "(XGBoost)",
        .search = [](std::span<const AllocatorItem> items, uint64_t budget, const ChoiceMeasure& measure,
                     const JobContext& job) { return TunedByTrees(items, budget, measure, job).solve(); }};
    return d;
}

} // namespace qs
