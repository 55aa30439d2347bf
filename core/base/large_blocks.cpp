// SPDX-License-Identifier: Apache-2.0
#include "core/base/large_blocks.h"

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace qs {

void keepLargeBlocks() {
#ifdef __GLIBC__
    constexpr int kKept = 256 << 20, kLargest = 1 << 30;
    mallopt(M_MMAP_THRESHOLD, kLargest);
    mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

} // namespace qs
