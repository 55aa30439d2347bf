// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/hull.h"

#include <algorithm>
#include <numeric>

namespace qs {

size_t smallestOption(const AllocatorItem& item) {
    size_t best = 0;
    for (size_t k = 1; k < item.size(); ++k)
        if (item[k].bytes < item[best].bytes ||
            (item[k].bytes == item[best].bytes && item[k].cost < item[best].cost))
            best = k;
    return best;
}

namespace {

void addSteps(size_t index, const AllocatorItem& item, std::vector<HullStep>& steps) {
    std::vector<size_t> order(item.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        if (item[a].bytes != item[b].bytes) return item[a].bytes < item[b].bytes;
        return item[a].cost != item[b].cost ? item[a].cost < item[b].cost : a < b;
    });
    const size_t first = steps.size();
    size_t last = order.front();
    for (const size_t k : order) {
        if (item[k].cost >= item[last].cost) continue; // larger, and no better
        HullStep step{index, k, item[k].bytes - item[last].bytes, item[last].cost - item[k].cost};
        // A step that saves more per byte than the one before makes the option between them pointless.
        while (steps.size() > first && steps.back().rate() <= step.rate()) {
            step.bytes += steps.back().bytes;
            step.gain += steps.back().gain;
            steps.pop_back();
        }
        steps.push_back(step);
        last = k;
    }
}

} // namespace

std::vector<HullStep> hullSteps(std::span<const AllocatorItem> items) {
    std::vector<HullStep> steps;
    for (size_t i = 0; i < items.size(); ++i)
        addSteps(i, items[i], steps);
    std::stable_sort(steps.begin(), steps.end(),
                     [](const HullStep& a, const HullStep& b) { return a.rate() > b.rate(); });
    return steps;
}

std::vector<size_t> paretoOptions(const AllocatorItem& item) {
    std::vector<size_t> order(item.size()), out;
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return item[a].bytes != item[b].bytes ? item[a].bytes < item[b].bytes : item[a].cost < item[b].cost;
    });
    for (const size_t k : order)
        if (out.empty() || item[k].cost < item[out.back()].cost) out.push_back(k);
    return out;
}

void useRest(std::span<const AllocatorItem> items, uint64_t budget, std::vector<size_t>& chosen) {
    constexpr int kMostRounds = 8;
    uint64_t left = budget - bytesOf(items, chosen);
    bool changed = true;
    for (int round = 0; round < kMostRounds && changed; ++round) {
        changed = false;
        for (size_t i = 0; i < items.size(); ++i) {
            const AllocatorItem& item = items[i];
            const uint64_t room = item[chosen[i]].bytes + left;
            size_t best = chosen[i];
            for (size_t k = 0; k < item.size(); ++k)
                if (item[k].bytes <= room && item[k].cost < item[best].cost) best = k;
            if (best == chosen[i]) continue;
            left = room - item[best].bytes;
            chosen[i] = best;
            changed = true;
        }
    }
}

uint64_t bytesOf(std::span<const AllocatorItem> items, std::span<const size_t> chosen) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < items.size(); ++i)
        bytes += items[i][chosen[i]].bytes;
    return bytes;
}

double costOf(std::span<const AllocatorItem> items, std::span<const size_t> chosen) {
    double cost = 0;
    for (size_t i = 0; i < items.size(); ++i)
        cost += items[i][chosen[i]].cost;
    return cost;
}

} // namespace qs
