// SPDX-License-Identifier: Apache-2.0
// The multiple-choice knapsack as an integer program, by GLPK's branch and cut: the linear relaxation first,
// then branches until no gap is left or a number of nodes is reached. Where GLPK is not there, that is the
// error: no other allocator takes its place.
#include "core/allocate/glpk.h"
#include "core/allocate/hull.h"

#include <algorithm>

namespace qs {

namespace {

/// Options that are neither larger nor dearer than another one of their item, ascending bytes, and within
/// what the others leave: the rest cannot be in the best choice and would only make the tree larger.
struct Reduced {
    std::vector<AllocatorItem> items;
    std::vector<std::vector<size_t>> options; ///< what they were

    Reduced(std::span<const AllocatorItem> all, uint64_t budget) {
        for (const AllocatorItem& item : all)
            budget -= std::ranges::min_element(item, {}, &AllocatorOption::bytes)->bytes;
        for (const AllocatorItem& item : all) {
            AllocatorItem kept;
            std::vector<size_t> which;
            for (const size_t k : paretoOptions(item)) {
                if (!kept.empty() && item[k].bytes - kept.front().bytes > budget) break; // ascending
                kept.push_back(item[k]);
                which.push_back(k);
            }
            items.push_back(std::move(kept));
            options.push_back(std::move(which));
        }
    }
};

Result<Allocation> solve(std::span<const AllocatorItem> items, uint64_t budget, const JobContext& job) {
    QS_TRY(const Glpk* solver, glpk());
    QS_CHECK(job.checkpoint());
    if (items.empty()) return Allocation{};
    const Reduced reduced(items, budget);
    QS_TRY(const AllocatorDescriptor* greedy, findAllocator("greedy"));
    QS_TRY(Allocation best, allocate(*greedy, reduced.items, budget, job));
    // GLPK keeps the budget to a part in 1e7 of what it leaves: above it by some bytes, it is asked again
    // with so many less. The bound stays that of the budget itself.
    double bound = 0;
    for (uint64_t asked = budget;;) {
        QS_TRY(const ChoiceSolution found, solver->solve(reduced.items, asked, best.chosen, job));
        if (asked == budget) bound = found.bound;
        const uint64_t bytes = bytesOf(reduced.items, found.chosen);
        const double cost = costOf(reduced.items, found.chosen);
        if (bytes > budget) {
            if (asked < bytes - budget + best.bytes) break; // the start is all that is left
            asked -= bytes - budget;
            continue;
        }
        if (cost < best.cost) best = {found.chosen, bytes, cost};
        break;
    }
    best.bound = std::min(bound, best.cost);
    for (size_t i = 0; i < best.chosen.size(); ++i)
        best.chosen[i] = reduced.options[i][best.chosen[i]];
    return best;
}

} // namespace

const AllocatorDescriptor& allocator_ilp() {
    static const AllocatorDescriptor d{
        .id = "ilp",
        .label = "Integer program (GLPK)",
        .summary =
            "The least cost there is to a part in a million, or the gap that is left; needs the library "
            "GLPK at run time",
        .citation = "Dong et al. 2020, HAWQ-V3, arXiv:2011.10680 (bits per layer as an integer program); "
                    "Guo et al. 2023, LQ-LoRA, arXiv:2311.12023",
        .solve = solve};
    return d;
}

} // namespace qs
