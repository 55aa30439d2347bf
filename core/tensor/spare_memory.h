// SPDX-License-Identifier: Apache-2.0
// Memory of freed matrices that is kept for the next ones (see matrix.cpp).
#pragma once

#include <cstddef>

namespace qs {

/// Gives it back to the system but for `keepBytes`: for whoever has finished something large and may be idle
/// for long.
void releaseSpareMatrices(size_t keepBytes = 0);

} // namespace qs
