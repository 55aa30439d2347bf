// SPDX-License-Identifier: Apache-2.0
// Allocator registry: one entry per way of choosing one option of every item, so that the sum of costs is
// small and the sum of bytes within a budget: the multiple-choice knapsack problem (allocators.def +
// allocators/<id>.cpp).
#pragma once

#include "core/base/job.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace qs {

struct AllocatorOption {
    uint64_t bytes = 0;
    double cost = 0; ///< finite, >= 0
};

/// What gets one option: a linear, or several that must agree. At least one option.
using AllocatorItem = std::vector<AllocatorOption>;

struct Allocation {
    std::vector<size_t> chosen; ///< an option of every item
    uint64_t bytes = 0;
    double cost = 0;
    double bound =
        0; ///< no choice within the budget costs less; equal to `cost` (but for rounding): the best there is
    double damage = NAN;    ///< as measured; NaN when nothing was
    size_t evaluations = 0; ///< how many choices were measured
};

/// What a whole choice does, measured: costs of items add up only roughly. For allocators that search by it.
struct ChoiceMeasure {
    /// Of one option of every item: finite, >= 0, the less the better (nats per token). Deterministic.
    std::function<Result<double>(std::span<const size_t> chosen, const JobContext& job)> damage;
    size_t evaluations = 0; ///< at most so many calls; >= 1
    uint64_t seed = 0;      ///< of searches that draw
};

struct AllocatorDescriptor {
    std::string id;
    std::string label, summary, citation;
    /// Never above the budget. Deterministic. Call through allocate(). One of the two is set: `solve` needs
    /// nothing but the costs, `search` measures.
    Result<Allocation> (*solve)(std::span<const AllocatorItem> items, uint64_t budget,
                                const JobContext& job) = nullptr;
    Result<Allocation> (*search)(std::span<const AllocatorItem> items, uint64_t budget,
                                 const ChoiceMeasure& measure, const JobContext& job) = nullptr;
    bool measures() const { return search != nullptr; }
};

std::span<const AllocatorDescriptor* const> allocators();
/// NotFound lists the known ids.
Result<const AllocatorDescriptor*> findAllocator(const std::string& id);

/// Checks the items and that the budget can be met, and solves. InvalidArgument says by how much it cannot,
/// or that an allocator which measures has nothing to measure with; others do not look at `measure`.
Result<Allocation> allocate(const AllocatorDescriptor& allocator, std::span<const AllocatorItem> items,
                            uint64_t budget, const JobContext& job, const ChoiceMeasure* measure = nullptr);

} // namespace qs
