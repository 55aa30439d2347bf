// SPDX-License-Identifier: Apache-2.0
// GLPK, the GNU Linear Programming Kit, opened at run time as OpenBLAS is: this program runs without it, and
// nothing is linked against it. GLPK is GPL-3.0-or-later, which Apache-2.0 code may be combined with; whoever
// runs the two together has a combination under the GPL. (COIN-OR CBC, the other solver that Debian has, is
// EPL-2.0, which cannot be combined with GPL code such as the window.)
#pragma once

#include "core/allocate/allocator.h"

#include <memory>

namespace qs {

/// min sum c_ij x_ij  s.t.  sum_j x_ij = 1 for every item i,  sum bytes_ij x_ij <= budget,  x_ij in {0, 1}.
struct ChoiceSolution {
    std::vector<size_t> chosen; ///< an option of every item; its bytes may exceed the budget by rounding
    double bound = 0;           ///< no choice costs less, to a part in 1e7
    double relaxed = 0;         ///< the optimum of the linear relaxation, 0 <= x_ij <= 1
};

class Glpk {
public:
    virtual ~Glpk() = default;
    /// At least one item, options and budget as allocate() has checked them. `start`: a choice within the
    /// budget, what branches must beat. Cancelled between nodes, and within the relaxation at most 80 ms
    /// late. Deterministic: what limits the search is a number of nodes.
    virtual Result<ChoiceSolution> solve(std::span<const AllocatorItem> items, uint64_t budget,
                                         std::span<const size_t> start, const JobContext& job) const = 0;
    virtual std::string version() const = 0; ///< "5.0"
};

/// Error::Backend when `library` (as dlopen takes it) cannot be opened, lacks an entry point or has another
/// major version; Unsupported in a build without its headers.
Result<std::unique_ptr<Glpk>> loadGlpk(const std::string& library);

/// The system's, loaded once; thread-safe. Errors as loadGlpk().
Result<const Glpk*> glpk();

} // namespace qs
