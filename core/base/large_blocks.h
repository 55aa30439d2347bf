// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace qs {

/// Lets the allocator keep the memory of matrices between uses, up to 256 MiB: they come and go in tens of
/// MiB, and having the kernel clear fresh pages each time took a third of plain conversions. Of the whole
/// process; called once by the command line's main. Not for the window: when so much is handed back at once,
/// every other thread that touches new memory waits for it, for up to 100 ms. Does nothing where the
/// allocator is not glibc's.
void keepLargeBlocks();

} // namespace qs
