// SPDX-License-Identifier: GPL-3.0-or-later
// What a benchmark of the window measured, scenario by scenario, and how it is told.
#pragma once

#include "app/bench/FrameMeter.h"

#include <QByteArray>
#include <QJsonObject>
#include <vector>

namespace qs::app {

struct Scenario {
    QByteArray name;
    std::vector<Frame> frames;
    int unpainted = 0;         ///< inputs that changed nothing
    double longestStallMs = 0; ///< StallWatch::worst()
    double longestStallWallMs = 0;
    double longestEventMs = 0;
    QByteArray longestEvent;

    QJsonObject toJson() const;
    /// One line for people.
    QByteArray line() const;
};

struct BenchReport {
    std::vector<Scenario> scenarios;
    double firstWindowMs = 0, rssMib = 0, rssLargeMib = 0, openLargeMs = 0, solveMs = 0;
    int tensors = 0, backgroundRuns = 0, backgroundBlocks = 0;

    /// Percentiles over the frames of every scenario; the longest stall of all.
    QJsonObject toJson() const;
};

/// The smallest value that at least `share` of the values do not pass; 0 without values.
double percentile(std::vector<double> values, double share);

/// Resident memory of this process in MiB; 0 where the system does not tell.
double residentMib();
/// Milliseconds since the process was started, loading of libraries included.
double processAgeMs();

} // namespace qs::app
