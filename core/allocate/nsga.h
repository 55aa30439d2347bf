// SPDX-License-Identifier: Apache-2.0
// Selection of NSGA-II: Deb, Pratap, Agarwal, Meyarivan 2002, IEEE Transactions on Evolutionary Computation 6
// (2), sections III-A and III-B.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace qs {

using Objectives = std::array<double, 2>; ///< the less the better; finite

/// a is no worse in both and better in one.
bool dominates(const Objectives& a, const Objectives& b);
/// Indices, the best first: by the front that they are in (no one in it is dominated but by those of earlier
/// fronts), within a front by crowding distance, ends first; then in their own order. O(n^2).
std::vector<size_t> nsgaOrder(std::span<const Objectives> objectives);

} // namespace qs
