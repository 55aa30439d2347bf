// SPDX-License-Identifier: Apache-2.0
#include "core/recipe/stored_bytes.h"

namespace qs {

uint64_t storedBytes(const StoredBits& b) {
    const auto up = [](uint64_t bits) { return (bits + 7) / 8; };
    return up(b.codes) + up(b.scales) + up(b.zeros) + up(b.index);
}

} // namespace qs
