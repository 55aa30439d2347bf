// SPDX-License-Identifier: Apache-2.0
// Ctrl-C (and SIGTERM) as a stop request: the first asks the running job to stop, the second ends the process
// at once.
#pragma once

#include <stop_token>

namespace qs::cli {

/// Installs the handlers; call once, from main. The token lives as long as the process.
std::stop_token installInterruptHandler();

} // namespace qs::cli
