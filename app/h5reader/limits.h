// SPDX-License-Identifier: Apache-2.0
// What the reading process may still do when a hostile file has taken it over: compute, and answer.
#pragma once

namespace qs::h5reader {

/// Limits on memory, on files (one more may be opened, none written), on core dumps and on processes.
/// False when the system refuses.
bool limitResources();

/// At least this much more processor time, and no more, from now on: called for every request.
void allowSeconds(unsigned seconds);

/// After the file is open: system calls other than reading, writing, memory and time fail. No effect where
/// the system has no seccomp.
void dropSystemCalls();

} // namespace qs::h5reader
