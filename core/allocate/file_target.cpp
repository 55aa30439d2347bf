// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/file_target.h"

#include <fmt/format.h>
#include <set>

namespace qs {

namespace {
constexpr int kMostBudgets = 24;
}

Result<SchemeAllocation> allocateForFile(AllocationRequest request, uint64_t bytes, const Allocate& allocate,
                                         const FileSize& size) {
    std::optional<SchemeAllocation> best;
    std::set<uint64_t> asked;
    // Budgets: those from `tooMuch` on give files that are too large, those up to `low` fit, or cannot be
    // met.
    uint64_t budget = bytes, smallest = ~uint64_t(0), tooMuch = ~uint64_t(0), low = 0;
    std::optional<uint64_t> last; // file
    for (int k = 0; k < kMostBudgets && asked.insert(budget).second; ++k) {
        request.target = {};
        request.target.checkpointBytes = budget;
        auto a = allocate(request);
        bool stuck = false; // a correction that is smaller than a step of the payloads
        if (a) {
            QS_TRY(const uint64_t file, size(*a));
            stuck = last == file;
            last = file;
            smallest = std::min(smallest, file);
            if (file <= bytes) {
                low = std::max(low, budget);
                if (!best || a->cost < best->cost) best = std::move(*a);
                budget += bytes - file;
            } else {
                tooMuch = std::min(tooMuch, budget);
                const uint64_t less = file - bytes;
                budget = budget > less ? budget - less : 0;
            }
        } else { // below what there is
            if (smallest == ~uint64_t(0)) return a.takeError();
            low = std::max(low, budget);
        }
        // A correction may lead past what is known: between the two then.
        if (stuck || budget >= tooMuch || budget <= low) {
            if (tooMuch == ~uint64_t(0) || tooMuch - low < 2) break;
            budget = low + (tooMuch - low) / 2;
        }
    }
    if (best) return std::move(*best);
    return Error::invalid(
        fmt::format("the smallest file found has {} bytes, above the target of {}", smallest, bytes));
}

} // namespace qs
