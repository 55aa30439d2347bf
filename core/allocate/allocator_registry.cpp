// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/allocator.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

#define QS_ENTRY(id) const AllocatorDescriptor& allocator_##id();
#include "qs/allocators.inc"
#undef QS_ENTRY

std::span<const AllocatorDescriptor* const> allocators() {
#define QS_ENTRY(id) &allocator_##id(),
    static const AllocatorDescriptor* const table[] = {
#include "qs/allocators.inc"
    };
#undef QS_ENTRY
    return table;
}

Result<const AllocatorDescriptor*> findAllocator(const std::string& id) {
    std::string known;
    for (const AllocatorDescriptor* d : allocators()) {
        if (d->id == id) return d;
        known += (known.empty() ? "" : ", ") + d->id;
    }
    return Error::notFound(fmt::format("no allocator '{}'; known: {}", id, known));
}

Result<Allocation> allocate(const AllocatorDescriptor& allocator, std::span<const AllocatorItem> items,
                            uint64_t budget, const JobContext& job, const ChoiceMeasure* measure) {
    uint64_t least = 0;
    for (size_t i = 0; i < items.size(); ++i) {
        if (items[i].empty()) return Error::invalid(fmt::format("item {} has no option", i));
        uint64_t smallest = items[i].front().bytes;
        for (const AllocatorOption& o : items[i]) {
            smallest = std::min(smallest, o.bytes);
            if (!std::isfinite(o.cost) || o.cost < 0)
                return Error::invalid(fmt::format("an option of item {} costs {}", i, o.cost));
        }
        least += smallest;
    }
    if (least > budget)
        return Error::invalid(
            fmt::format("the smallest choices take {} bytes together, {} more than the budget of {}", least,
                        least - budget, budget));
    if (!allocator.measures()) return allocator.solve(items, budget, job);
    if (!measure || !measure->damage || measure->evaluations == 0)
        return Error::invalid(fmt::format(
            "the allocator {} runs the model with whole choices: it needs a text and at least one "
            "evaluation",
            allocator.id));
    return allocator.search(items, budget, *measure, job);
}

} // namespace qs
