// SPDX-License-Identifier: Apache-2.0
// SimQ-NAS: a population evolves by NSGA-II towards few bytes and little damage, the damage told by a light
// predictor; the best of it are measured, and the predictor is fitted again. The super-network of the paper
// is the table of candidates here: an option of an item may be any scheme (method, bits, group, format). The
// predictor is ridge regression on the costs of the options, pulled towards their sum.
#include "core/allocate/hull.h"
#include "core/allocate/measured_choices.h"
#include "core/allocate/nsga.h"
#include "core/allocate/ridge.h"

#include <algorithm>
#include <numeric>

namespace qs {

namespace {

constexpr size_t kPopulation = 40;
constexpr int kGenerations = 25; ///< between two rounds of measurements
constexpr double kRidge = 0.1;   ///< of the mean diagonal

class Evolution {
public:
    Evolution(std::span<const AllocatorItem> items, uint64_t budget, const ChoiceMeasure& measure,
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
            const size_t before = measured_.left();
            QS_TRY(const std::vector<Individual> last, evolved());
            size_t taken = 0;
            for (const Individual& one : last) {
                if (taken == batch) break;
                if (measured_.isKnown(one.chosen)) continue;
                QS_CHECK(measured_.damage(one.chosen));
                ++taken;
            }
            if (measured_.left() == before) break; // the population has nothing that is not known
        }
        return measured_.allocation(measured_.best()->chosen);
    }

private:
    struct Individual {
        Choice chosen;
        Objectives objectives;
    };

    std::vector<double> features(const Choice& chosen) const {
        std::vector<double> out;
        for (size_t i = 0; i < items_.size(); ++i)
            out.push_back(items_[i][chosen[i]].cost);
        return out;
    }

    Result<Ridge> fitted() const {
        const auto& seen = measured_.seen();
        MatrixD x(seen.size(), items_.size());
        std::vector<double> prior, y;
        for (size_t s = 0; s < seen.size(); ++s) {
            std::ranges::copy(features(seen[s].chosen), x.data() + s * x.cols());
            prior.push_back(costOf(items_, seen[s].chosen));
            y.push_back(seen[s].damage);
        }
        return Ridge::fit(x, prior, y, kRidge);
    }

    Individual individual(Choice chosen, const Ridge& ridge) const {
        const double damage = ridge.predict(costOf(items_, chosen), features(chosen));
        const auto bytes = double(bytesOf(items_, chosen));
        return {std::move(chosen), {damage, bytes}};
    }

    /// Of two at random the one of the better front, or that stands more alone.
    const Individual& parent(const std::vector<Individual>& population, const std::vector<size_t>& place) {
        const size_t a = draw_.below(population.size()), b = draw_.below(population.size());
        return population[place[a] < place[b] ? a : b];
    }

    /// The population after some generations, least predicted damage first.
    Result<std::vector<Individual>> evolved() {
        QS_TRY(const Ridge ridge, fitted());
        std::vector<Individual> population;
        for (const auto& s : measured_.seen())
            population.push_back(individual(s.chosen, ridge));
        while (population.size() < kPopulation)
            population.push_back(individual(draw_.any(), ridge));
        population = survivors(std::move(population));
        for (int g = 0; g < kGenerations; ++g) {
            QS_CHECK(job_.checkpoint());
            std::vector<size_t> place(population.size()); // survivors() has put them in order
            std::iota(place.begin(), place.end(), size_t(0));
            std::vector<Individual> next = population;
            for (size_t n = 0; n < kPopulation; ++n) {
                const Individual &a = parent(population, place), &b = parent(population, place);
                Choice child = a.chosen;
                for (size_t i = 0; i < child.size(); ++i)
                    if (draw_.unit() < 0.5) child[i] = b.chosen[i];
                draw_.mutate(child, 1.0 / double(std::max<size_t>(1, items_.size())));
                draw_.fit(child);
                next.push_back(individual(std::move(child), ridge));
            }
            population = survivors(std::move(next));
        }
        std::ranges::stable_sort(population, {}, [](const Individual& i) { return i.objectives[0]; });
        return population;
    }

    static std::vector<Individual> survivors(std::vector<Individual> all) {
        // Twins would crowd out the rest.
        std::ranges::stable_sort(all, {}, &Individual::chosen);
        all.erase(std::unique(all.begin(), all.end(),
                              [](const Individual& a, const Individual& b) { return a.chosen == b.chosen; }),
                  all.end());
        std::vector<Objectives> objectives;
        for (const Individual& i : all)
            objectives.push_back(i.objectives);
        std::vector<Individual> out;
        for (const size_t i : nsgaOrder(objectives)) {
            if (out.size() == kPopulation) break;
            out.push_back(std::move(all[i]));
        }
        return out;
    }

    std::span<const AllocatorItem> items_;
    uint64_t budget_;
    size_t evaluations_;
    ChoiceDraw draw_;
    MeasuredChoices measured_;
    const JobContext& job_;
};

} // namespace

const AllocatorDescriptor& allocator_evolutionary() {
    static const AllocatorDescriptor d{
        .id = "evolutionary",
        .label = "Evolutionary search (NSGA-II)",
        .summary =
            "Evolves choices towards few bytes and little damage by a predictor, and measures the best",
        .citation = "Nittur Sridhar et al. 2023, arXiv:2312.13301 (SimQ-NAS); Deb et al. 2002 (NSGA-II)",
        .search = [](std::span<const AllocatorItem> items, uint64_t budget, const ChoiceMeasure& measure,
                     const JobContext& job) { return Evolution(items, budget, measure, job).solve(); }};
    return d;
}

} // namespace qs
