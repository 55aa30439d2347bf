// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/nsga.h"

#include <algorithm>
#include <limits>

namespace qs {

bool dominates(const Objectives& a, const Objectives& b) {
    return a[0] <= b[0] && a[1] <= b[1] && (a[0] < b[0] || a[1] < b[1]);
}

namespace {

/// Half the perimeter of the box between each one's neighbours, in units of the front's extent.
std::vector<double> crowding(std::span<const Objectives> all, const std::vector<size_t>& front) {
    std::vector<double> out(front.size());
    std::vector<size_t> order(front.size());
    for (size_t m = 0; m < Objectives().size(); ++m) {
        for (size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        const auto value = [&](size_t i) { return all[front[i]][m]; };
        std::ranges::stable_sort(order, {}, value);
        const double extent = value(order.back()) - value(order.front());
        out[order.front()] = out[order.back()] = std::numeric_limits<double>::infinity();
        for (size_t k = 1; k + 1 < order.size() && extent > 0; ++k)
            out[order[k]] += (value(order[k + 1]) - value(order[k - 1])) / extent;
    }
    return out;
}

} // namespace

std::vector<size_t> nsgaOrder(std::span<const Objectives> objectives) {
    const size_t n = objectives.size();
    std::vector<size_t> dominatedBy(n), front, out;
    std::vector<std::vector<size_t>> below(n);
    for (size_t a = 0; a < n; ++a) {
        for (size_t b = 0; b < n; ++b) {
            if (dominates(objectives[a], objectives[b])) below[a].push_back(b);
            dominatedBy[a] += dominates(objectives[b], objectives[a]);
        }
        if (dominatedBy[a] == 0) front.push_back(a);
    }
    while (!front.empty()) {
        const std::vector<double> distance = crowding(objectives, front);
        std::vector<size_t> order(front.size()), next;
        for (size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return distance[i]; });
        for (const size_t i : order)
            out.push_back(front[i]);
        for (const size_t a : front)
            for (const size_t b : below[a])
                if (--dominatedBy[b] == 0) next.push_back(b);
        std::ranges::sort(next);
        front = std::move(next);
    }
    return out;
}

} // namespace qs
