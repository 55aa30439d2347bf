// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/scheme_allocation.h"

#include "core/allocate/hull.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <unordered_map>

namespace qs {

namespace {

/// The items of one request: linears that are tied make one.
class Problem {
public:
    static Result<Problem> make(const SensitivityTable& table, const AllocationRequest& request) {
        QS_TRY(const ScoreDescriptor* score, findScore(request.score));
        Problem p(table, *score);
        QS_CHECK(p.tie(request.tied));
        for (const auto& [module, candidate] : request.locked) {
            if (!p.rowOf_.count(module)) return noRow(module);
            if (candidate && *candidate >= table.candidates.size())
                return Error::invalid(fmt::format("{} is locked to candidate {} of {}", module, *candidate,
                                                  table.candidates.size()));
        }
        QS_CHECK(p.makeItems(request));
        if (!table.rows.empty() && p.unmeasured_.size() == table.rows.size())
            return Error::invalid(
                fmt::format("the score {} needs what is not measured: {}", score->id, score->needs));
        return p;
    }

    std::span<const AllocatorItem> items() const { return items_; }
    const ScoreDescriptor& score() const { return *score_; }
    /// Of the cost of an option, by the score's standard errors; what it does not know counts as none.
    double variance(size_t item, size_t option) const {
        const std::optional<size_t> candidate = choices_[item][option];
        if (!candidate || !score_->uncertainty) return 0;
        double out = 0;
        for (const size_t row : rows_[item]) {
            const SensitivityRow& r = table_->rows[row];
            const double e = score_->uncertainty(r, r.cells[*candidate]);
            if (std::isfinite(e)) out += e * e;
        }
        return out;
    }

    uint64_t smallest() const {
        return sum([](const AllocatorItem& i) { return bytesOf(i, std::less<>()); });
    }
    uint64_t largest() const {
        return sum([](const AllocatorItem& i) { return bytesOf(i, std::greater<>()); });
    }

    /// Of every row of the table.
    std::vector<std::optional<size_t>> candidates(std::span<const size_t> chosen) const {
        std::vector<std::optional<size_t>> out(table_->rows.size());
        for (size_t i = 0; i < items_.size(); ++i)
            for (const size_t row : rows_[i])
                out[row] = choices_[i][chosen[i]];
        return out;
    }

    SchemeAllocation result(const Allocation& a, uint64_t budget) const {
        SchemeAllocation out;
        out.bytes = a.bytes;
        out.budget = budget;
        out.cost = a.cost;
        out.bound = a.bound;
        out.damage = a.damage;
        out.evaluations = a.evaluations;
        out.unmeasured = unmeasured_;
        out.candidate = candidates(a.chosen);
        for (size_t i = 0; i < items_.size(); ++i) {
            const AllocatorOption& now = items_[i][a.chosen[i]];
            for (const AllocatorOption& o : items_[i])
                if (o.cost < now.cost && o.bytes > now.bytes &&
                    (out.nextStep == 0 || o.bytes - now.bytes < out.nextStep))
                    out.nextStep = o.bytes - now.bytes;
        }
        return out;
    }

private:
    Problem(const SensitivityTable& table, const ScoreDescriptor& score) : table_(&table), score_(&score) {
        for (size_t r = 0; r < table.rows.size(); ++r)
            rowOf_[table.rows[r].module] = r;
        groupOf_.resize(table.rows.size());
        std::iota(groupOf_.begin(), groupOf_.end(), size_t(0));
    }

    static Error noRow(const std::string& module) {
        return Error::invalid(fmt::format("the sensitivity table has no '{}'", module));
    }

    size_t rootOf(size_t row) const {
        while (groupOf_[row] != row)
            row = groupOf_[row];
        return row;
    }

    Result<void> tie(const std::vector<std::vector<std::string>>& ties) {
        for (const auto& modules : ties)
            for (const std::string& module : modules) {
                if (!rowOf_.count(module)) return noRow(module);
                const size_t a = rootOf(rowOf_[modules.front()]), b = rootOf(rowOf_[module]);
                groupOf_[std::max(a, b)] = std::min(a, b);
            }
        return {};
    }

    bool isMeasured(size_t row) const {
        const SensitivityRow& r = table_->rows[row];
        return std::any_of(r.cells.begin(), r.cells.end(), [&](const SensitivityCell& c) {
            return c.legal() && std::isfinite(score_->cost(r, c));
        });
    }

    /// Bytes and cost of all rows of an item with a candidate; none when one cannot have it. Where there is
    /// no choice, a cost that is not known does not matter.
    std::optional<AllocatorOption> option(const std::vector<size_t>& rows, std::optional<size_t> candidate,
                                          bool only) const {
        AllocatorOption out;
        for (const size_t row : rows) {
            const SensitivityRow& r = table_->rows[row];
            if (!candidate) {
                out.bytes += r.keptBytes;
                continue;
            }
            const SensitivityCell& cell = r.cells[*candidate];
            const double cost = score_->cost(r, cell);
            if (!cell.legal() || (!only && !std::isfinite(cost))) return std::nullopt;
            out.bytes += cell.bytes;
            out.cost += std::isfinite(cost) ? std::max(0.0, cost) : 0;
        }
        return out;
    }

    Result<void> makeItems(const AllocationRequest& request) {
        std::map<size_t, std::vector<size_t>> members;
        for (size_t r = 0; r < table_->rows.size(); ++r)
            members[rootOf(r)].push_back(r);
        for (const auto& [root, rows] : members) {
            std::vector<std::optional<size_t>> choices;
            QS_TRY(const auto lock, lockOf(rows, request));
            const bool measured =
                std::all_of(rows.begin(), rows.end(), [&](size_t row) { return isMeasured(row); });
            if (lock) {
                choices = {*lock};
            } else {
                if (measured)
                    for (size_t c = 0; c < table_->candidates.size(); ++c) {
                        if (std::none_of(rows.begin(), rows.end(), [&](size_t row) {
                                return request.refused.count({table_->rows[row].module, c}) != 0;
                            }))
                            choices.emplace_back(c);
                    }
                else
                    for (const size_t row : rows)
                        unmeasured_.push_back(table_->rows[row].module);
                if (request.mayKeep || !measured) choices.emplace_back(std::nullopt);
            }
            QS_CHECK(addItem(rows, choices));
        }
        return {};
    }

    Result<std::optional<std::optional<size_t>>> lockOf(const std::vector<size_t>& rows,
                                                        const AllocationRequest& request) const {
        std::optional<std::optional<size_t>> lock;
        for (const size_t row : rows) {
            const auto it = request.locked.find(table_->rows[row].module);
            if (it == request.locked.end()) continue;
            if (lock && *lock != it->second)
                return Error::invalid(fmt::format("{} is tied to a linear that is locked to another scheme",
                                                  table_->rows[row].module));
            lock = it->second;
        }
        return lock;
    }

    Result<void> addItem(const std::vector<size_t>& rows, const std::vector<std::optional<size_t>>& choices) {
        AllocatorItem item;
        std::vector<std::optional<size_t>> possible;
        for (const auto& choice : choices)
            if (const auto o = option(rows, choice, choices.size() == 1)) {
                item.push_back(*o);
                possible.push_back(choice);
            }
        if (item.empty())
            return Error::invalid(fmt::format(
                "{} has no candidate that it can have{}", table_->rows[rows.front()].module,
                rows.size() > 1 ? " together with the linears tied to it" : " and that is measured"));
        items_.push_back(std::move(item));
        choices_.push_back(std::move(possible));
        rows_.push_back(rows);
        return {};
    }

    template<class Compare>
    static uint64_t bytesOf(const AllocatorItem& item, Compare less) {
        uint64_t best = item.front().bytes;
        for (const AllocatorOption& o : item)
            if (less(o.bytes, best)) best = o.bytes;
        return best;
    }
    template<class Of>
    uint64_t sum(Of of) const {
        uint64_t total = 0;
        for (const AllocatorItem& i : items_)
            total += of(i);
        return total;
    }

    const SensitivityTable* table_;
    const ScoreDescriptor* score_;
    std::unordered_map<std::string, size_t> rowOf_;
    std::vector<size_t> groupOf_; ///< of each row, a row of its group, in the end the first
    std::vector<AllocatorItem> items_;
    std::vector<std::vector<std::optional<size_t>>> choices_; ///< what the options of each item are
    std::vector<std::vector<size_t>> rows_;                   ///< that it stands for
    std::vector<std::string> unmeasured_;
};

/// Bytes for the linears that a target leaves.
Result<uint64_t> budgetOf(const SensitivityTable& table, const AllocationTarget& target) {
    uint64_t weights = 0, kept = 0;
    for (const SensitivityRow& r : table.rows) {
        weights += r.weights;
        kept += r.keptBytes;
    }
    if (target.bitsPerWeight) {
        if (!(*target.bitsPerWeight > 0 && *target.bitsPerWeight <= 64))
            return Error::invalid(
                fmt::format("a target of {} bits per weight is not between 0 and 64", *target.bitsPerWeight));
        return uint64_t(*target.bitsPerWeight * double(weights) / 8);
    }
    const uint64_t others = table.checkpointBytes - std::min(kept, table.checkpointBytes);
    if (*target.checkpointBytes < others)
        return Error::invalid(
            fmt::format("a target of {} bytes is less than the {} bytes of what is not quantized",
                        *target.checkpointBytes, others));
    return *target.checkpointBytes - others;
}

/// The fewest bytes with which the greedy allocation stays within the loss.
Result<uint64_t> budgetForLoss(const Problem& problem, double loss, const JobContext& job) {
    if (!problem.score().isLoss)
        return Error::invalid(
            fmt::format("the score {} is no loss: it cannot meet a target of loss", problem.score().id));
    QS_TRY(const AllocatorDescriptor* greedy, findAllocator("greedy"));
    uint64_t low = problem.smallest(), high = problem.largest();
    QS_TRY(const Allocation most, allocate(*greedy, problem.items(), high, job));
    if (most.cost > loss)
        return Error::invalid(
            fmt::format("the least predicted loss is {:.6g} nats per token, above the target of {:.6g}",
                        most.cost, loss));
    while (high - low > std::max<uint64_t>(1, high / 100000)) {
        const uint64_t middle = low + (high - low) / 2;
        QS_TRY(const Allocation a, allocate(*greedy, problem.items(), middle, job));
        (a.cost <= loss ? high : low) = middle;
    }
    return high;
}

} // namespace

std::vector<std::vector<std::string>> fusedTies(const SensitivityTable& table) {
    std::map<std::string, std::vector<std::string>> groups;
    for (const SensitivityRow& r : table.rows)
        if (!r.fusedGroup.empty()) groups[r.fusedGroup].push_back(r.module);
    std::vector<std::vector<std::string>> out;
    for (auto& [name, modules] : groups)
        if (modules.size() > 1) out.push_back(std::move(modules));
    return out;
}

Result<std::vector<AllocationPoint>> allocationFrontier(const SensitivityTable& table,
                                                        const AllocationRequest& request, size_t most) {
    QS_TRY(const Problem problem, Problem::make(table, request));
    uint64_t kept = 0;
    for (const SensitivityRow& r : table.rows)
        kept += r.keptBytes;
    AllocationPoint at{table.checkpointBytes - std::min(kept, table.checkpointBytes), 0, 0};
    std::vector<double> variance; // of each item as it stands
    for (const AllocatorItem& item : problem.items()) {
        const size_t smallest = smallestOption(item);
        at.checkpointBytes += item[smallest].bytes;
        at.cost += item[smallest].cost;
        variance.push_back(problem.variance(variance.size(), smallest));
    }
    double total = std::accumulate(variance.begin(), variance.end(), 0.0);
    at.uncertainty = std::sqrt(total);
    const std::vector<HullStep> steps = hullSteps(problem.items());
    const size_t stride = std::max<size_t>(1, steps.size() / std::max<size_t>(1, most));
    std::vector<AllocationPoint> out = {at};
    for (size_t i = 0; i < steps.size(); ++i) {
        at.checkpointBytes += steps[i].bytes;
        at.cost = std::max(0.0, at.cost - steps[i].gain);
        double& own = variance[steps[i].item];
        total -= own;
        total += own = problem.variance(steps[i].item, steps[i].option);
        at.uncertainty = std::sqrt(std::max(0.0, total));
        if ((i + 1) % stride == 0 || i + 1 == steps.size()) out.push_back(at);
    }
    return out;
}

std::string SchemeAllocation::remainder() const {
    const uint64_t left = budget - std::min(budget, bytes);
    if (left == 0) return "the target is met to the byte";
    if (nextStep == 0)
        return fmt::format("{} bytes are left: nothing lowers the predicted cost further", left);
    if (nextStep > left)
        return fmt::format("{} bytes are left: the smallest step that lowers the predicted cost takes {}",
                           left, nextStep);
    return fmt::format("{} bytes are left: no exchange within them lowers the predicted cost", left);
}

Recipe SchemeAllocation::recipe(const SensitivityTable& table, std::string name) const {
    Recipe recipe;
    recipe.name = std::move(name);
    recipe.seed = table.seed;
    for (size_t r = 0; r < candidate.size(); ++r)
        if (candidate[r]) recipe.rules.push_back({table.rows[r].module, table.candidates[*candidate[r]]});
    return recipe;
}

Result<SchemeAllocation> allocateSchemes(const SensitivityTable& table, const AllocationRequest& request,
                                         const JobContext& job, const SchemeMeasure* measure) {
    const AllocationTarget& t = request.target;
    if (int(t.bitsPerWeight.has_value()) + int(t.checkpointBytes.has_value()) + int(t.loss.has_value()) != 1)
        return Error::invalid("one target must be given: bits per weight, bytes or loss");
    QS_TRY(const AllocatorDescriptor* allocator, findAllocator(request.allocator));
    QS_TRY(const Problem problem, Problem::make(table, request));
    uint64_t budget = 0;
    if (t.loss) {
        QS_TRY(budget, budgetForLoss(problem, *t.loss, job));
    } else {
        QS_TRY(budget, budgetOf(table, t));
    }
    ChoiceMeasure choices;
    if (measure) {
        choices.evaluations = measure->evaluations;
        choices.seed = table.seed;
        if (measure->damage)
            choices.damage = [&](std::span<const size_t> chosen, const JobContext& inner) {
                return measure->damage(problem.candidates(chosen), inner);
            };
    }
    QS_TRY(const Allocation allocation,
           allocate(*allocator, problem.items(), budget, job, measure ? &choices : nullptr));
    return problem.result(allocation, budget);
}

} // namespace qs
