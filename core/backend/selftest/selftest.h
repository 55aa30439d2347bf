// SPDX-License-Identifier: Apache-2.0
// Selftest: every operation of a backend against plain float64 loops, on the machine where it runs.
#pragma once

#include "core/backend/backend.h"

#include <functional>

namespace qs {

/// One operation at one set of shapes.
struct SelftestCase {
    std::string op;       ///< "linear"
    std::string shapes;   ///< "x [130, 172], w [64, 172]"
    double tolerance = 0; ///< largest |a - b| / (1 + |b|) that passes, of results a and expected b
    /// The largest one found; infinity when a result is not a number.
    std::function<Result<double>(Backend&)> run;
};

struct SelftestOutcome {
    double error = 0;
    std::string problem; ///< of an operation that failed; "" otherwise
    bool passed = false;
};

/// The cases for a backend of this precision, the same numbers each time.
std::vector<SelftestCase> selftestCases(Precision precision);
SelftestOutcome runSelftest(const SelftestCase& c, Backend& backend);

} // namespace qs
