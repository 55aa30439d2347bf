// SPDX-License-Identifier: Apache-2.0
// Allocating bits, per second, for as many linears as models have.
#include "core/allocate/glpk.h"
#include "tests/bench/bench.h"

#include <cmath>
#include <random>

using namespace qs;

namespace {

/// Eight schemes a linear; the cost falls about four times with each bit.
std::vector<AllocatorItem> linears(size_t count) {
    std::mt19937_64 random(1);
    const auto unit = [&] { return double(random() >> 11) * 0x1p-53; };
    std::vector<AllocatorItem> items(count);
    for (AllocatorItem& item : items) {
        const double size = std::floor(1e6 + 9e6 * unit()), weight = std::exp(4 * unit());
        for (int k = 0; k < 8; ++k)
            item.push_back(
                {uint64_t(size * (k + 2 + 0.3 * unit())), weight * std::pow(0.25, k) * (0.5 + unit())});
    }
    return items;
}

uint64_t budgetOf(const std::vector<AllocatorItem>& items) {
    uint64_t sum = 0;
    for (const AllocatorItem& item : items)
        sum += item[2].bytes;
    return sum;
}

} // namespace

QS_BENCH(allocate) {
    const auto show = [&](const char* id, size_t count, double target) {
        const auto items = linears(count);
        const uint64_t budget = budgetOf(items);
        double gap = 0;
        const double ms = 1e3 * qs::bench::bestSeconds([&] {
                              const auto a = allocate(**findAllocator(id), items, budget, {});
                              gap = a->cost / a->bound - 1;
                              qs::bench::keep(&a);
                          });
        report.line(std::string(id) + ", " + std::to_string(count) + " linears", ms, "ms", "target", target);
        report.line("  above the bound", 100 * gap, "%");
    };
    show("greedy", 300, 5);
    show("greedy", 10000, 50);
    show("exact", 300, 500);
    if (glpk()) show("ilp", 300, 2000);
}
