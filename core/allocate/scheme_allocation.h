// SPDX-License-Identifier: Apache-2.0
// From a sensitivity table and a target to a scheme for every linear.
#pragma once

#include "core/allocate/allocator.h"
#include "core/allocate/score.h"

#include <map>
#include <optional>
#include <set>

namespace qs {

/// What the result must keep to. One of the three is set.
struct AllocationTarget {
    std::optional<double> bitsPerWeight;     ///< of all linears of the table together, kept ones included
    std::optional<uint64_t> checkpointBytes; ///< of the whole checkpoint with the payloads in place
    std::optional<double> loss;              ///< increase, nats per token; needs a score that is a loss
};

/// A linear's module and the index of a candidate that it cannot have.
using RefusedCandidate = std::pair<std::string, size_t>;

struct AllocationRequest {
    AllocationTarget target;
    std::string score = "linearity", allocator = "exact";
    /// Linears that have their scheme already: index of a candidate, none: kept.
    std::map<std::string, std::optional<size_t>> locked;
    std::vector<std::vector<std::string>> tied; ///< modules that get the same scheme
    std::set<RefusedCandidate> refused;         ///< beside those that do not fit; locks go before
    bool mayKeep = true;                        ///< whether linears may stay as the checkpoint stores them
};

/// What runs the model with a whole assignment, for allocators that search by it
/// (AllocatorDescriptor::search): see PlanMeasure.
struct SchemeMeasure {
    /// Nats per token of a candidate for every row of the table; none: kept. Finite, >= 0. Deterministic.
    std::function<Result<double>(std::span<const std::optional<size_t>> candidate, const JobContext& job)>
        damage;
    size_t evaluations = 0; ///< at most so many calls; >= 1
};

struct SchemeAllocation {
    std::vector<std::optional<size_t>> candidate; ///< per row of the table; none: kept
    uint64_t bytes = 0;                           ///< of all linears
    uint64_t budget = 0;                          ///< for them; with a target of loss what it came to
    double cost = 0;                              ///< predicted, of the score
    double bound = 0;       ///< no allocation within the budget is predicted to cost less
    double damage = NAN;    ///< measured, nats per token; NaN when nothing was
    size_t evaluations = 0; ///< how many assignments were measured
    uint64_t nextStep = 0;  ///< bytes of the smallest step that would lower the cost; 0: there is none
    std::vector<std::string> unmeasured; ///< linears that stay kept because their score is not known

    /// Why bytes of the budget are left, for people.
    std::string remainder() const;
    /// One rule per linear that is not kept.
    Recipe recipe(const SensitivityTable& table, std::string name) const;
};

/// The linears that runtimes fuse, as ties.
std::vector<std::vector<std::string>> fusedTies(const SensitivityTable& table);

/// The whole checkpoint with a choice in place.
struct AllocationPoint {
    uint64_t checkpointBytes = 0;
    double cost = 0;
    double uncertainty = 0; ///< of the cost: standard errors of its parts, as far as the score has them
};

/// What could be had at every size, from the smallest on: the ends of the steps that the greedy allocator
/// takes, at most about `most` of them, evenly thinned. `request` without its target. Errors as
/// allocateSchemes().
Result<std::vector<AllocationPoint>> allocationFrontier(const SensitivityTable& table,
                                                        const AllocationRequest& request, size_t most);

/// InvalidArgument when the target cannot be met (says the least there is), a locked or tied module is not in
/// the table, tied linears have no candidate in common, nothing is measured that the score needs, or the
/// allocator measures and `measure` is null.
Result<SchemeAllocation> allocateSchemes(const SensitivityTable& table, const AllocationRequest& request,
                                         const JobContext& job, const SchemeMeasure* measure = nullptr);

} // namespace qs
