// SPDX-License-Identifier: GPL-3.0-or-later
// `quantoscope --bench`: drives the real window through a script of inputs and measures every frame, while
// the engine quantizes the sample model. The script runs from the event loop, one input after the other.
#pragma once

#include <QString>

namespace qs::app {

struct BenchOptions {
    bool json = false; ///< one JSON object as the last line of standard output
};

/// Makes the application, shows the window offscreen unless QT_QPA_PLATFORM says otherwise, runs every
/// scenario. Progress on standard output. Returns the exit code: 0 measured, 1 could not be.
int runBench(int argc, char** argv, const BenchOptions& options);

/// What --help says about how it is measured.
QString benchHelp();

} // namespace qs::app
