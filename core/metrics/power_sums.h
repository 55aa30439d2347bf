// SPDX-License-Identifier: Apache-2.0
// Central moments from sums of powers about a shift.
#pragma once

#include "core/metrics/moments.h"

namespace qs {

/// `s[k]` = sum (x - shift)^(k + 1), k = 0..3, of n values; formulas in moments.h. All 0 when n is 0.
Moments momentsAbout(double shift, double n, const double (&s)[4]);

} // namespace qs
