// SPDX-License-Identifier: Apache-2.0
// Seeded multiple-choice knapsacks, and their optimum by trying every choice.
#pragma once

#include "core/allocate/allocator.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <limits>
#include <random>

namespace qs::test {

/// Options whose cost falls about four times with each bit, as errors of quantized weights do, and some that
/// are larger and no better.
inline std::vector<AllocatorItem> randomItems(size_t count, size_t options, std::mt19937_64& random) {
    const auto unit = [&] { return double(random() >> 11) * 0x1p-53; };
    std::vector<AllocatorItem> items(count);
    for (AllocatorItem& item : items) {
        const double size = 100 + std::floor(900 * unit()), weight = std::exp(4 * unit());
        for (size_t k = 0; k < options; ++k)
            item.push_back({uint64_t(size * (double(k) + 2 + 0.3 * unit())),
                            weight * std::pow(0.25, double(k)) * (0.5 + unit())});
        if (unit() < 0.3) item.push_back(item.front()); // a double
        if (unit() < 0.3) item.back().cost = 0;         // kept as it is
    }
    return items;
}

inline uint64_t leastBytes(const std::vector<AllocatorItem>& items) {
    uint64_t sum = 0;
    for (const AllocatorItem& item : items) {
        uint64_t least = item.front().bytes;
        for (const AllocatorOption& o : item)
            least = std::min(least, o.bytes);
        sum += least;
    }
    return sum;
}

inline uint64_t mostBytes(const std::vector<AllocatorItem>& items) {
    uint64_t sum = 0;
    for (const AllocatorItem& item : items) {
        uint64_t most = 0;
        for (const AllocatorOption& o : item)
            most = std::max(most, o.bytes);
        sum += most;
    }
    return sum;
}

inline double leastCost(const std::vector<AllocatorItem>& items, uint64_t budget, size_t first = 0) {
    if (first == items.size()) return 0;
    double best = std::numeric_limits<double>::infinity();
    for (const AllocatorOption& o : items[first])
        if (o.bytes <= budget) best = std::min(best, o.cost + leastCost(items, budget - o.bytes, first + 1));
    return best;
}

/// The sums that an allocation states are those of its choices, within the budget.
inline void checkSums(const std::vector<AllocatorItem>& items, uint64_t budget, const Allocation& a) {
    QCOMPARE(a.chosen.size(), items.size());
    uint64_t bytes = 0;
    double cost = 0;
    for (size_t i = 0; i < items.size(); ++i) {
        QVERIFY(a.chosen[i] < items[i].size());
        bytes += items[i][a.chosen[i]].bytes;
        cost += items[i][a.chosen[i]].cost;
    }
    QCOMPARE(a.bytes, bytes);
    QVERIFY(std::fabs(a.cost - cost) <= 1e-12 * cost);
    QVERIFY(a.bytes <= budget);
    QVERIFY(a.bound <= a.cost * (1 + 1e-9));
}

} // namespace qs::test
