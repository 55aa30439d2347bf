// SPDX-License-Identifier: Apache-2.0
// The linear relaxation of the knapsack: options of an item that lie on the lower convex hull of cost over
// bytes, and the steps between them in the order of what they save per byte.
#pragma once

#include "core/allocate/allocator.h"

namespace qs {

/// From one option of an item to the next one of its hull.
struct HullStep {
    size_t item = 0, option = 0; ///< the option that it leads to
    uint64_t bytes = 0;          ///< more than the option before, > 0
    double gain = 0;             ///< less cost, > 0
    double rate() const { return gain / double(bytes); }
};

/// The cheapest of the smallest options.
size_t smallestOption(const AllocatorItem& item);
/// The steps of all items from their smallest options on, best rates first; those of one item in their order.
/// O(n log n) of all options.
std::vector<HullStep> hullSteps(std::span<const AllocatorItem> items);

/// Options that are neither larger nor dearer than another one: ascending bytes, descending cost.
std::vector<size_t> paretoOptions(const AllocatorItem& item);
/// Items in turn take the option that lowers their cost most within what the choice leaves of the budget, and
/// again, until none does. `chosen` is within the budget on entry.
void useRest(std::span<const AllocatorItem> items, uint64_t budget, std::vector<size_t>& chosen);
uint64_t bytesOf(std::span<const AllocatorItem> items, std::span<const size_t> chosen);
double costOf(std::span<const AllocatorItem> items, std::span<const size_t> chosen);

} // namespace qs
