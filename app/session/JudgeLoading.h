// SPDX-License-Identifier: GPL-3.0-or-later
// Reading runs that are to be compared, with their plans and measurements. A worker's work.
#pragma once

#include "app/session/SessionFile.h"
#include "core/evaluate/evaluate.h"
#include "core/run/run.h"

#include <memory>

namespace qs::app {

/// A run with its plan and what was measured of it earlier.
struct LoadedRun {
    std::string directory;
    std::shared_ptr<const Run> run;
    std::shared_ptr<const Plan> plan;
    std::string weightsFingerprint;
    std::shared_ptr<const Evaluation> evaluation; ///< null: not measured
};

struct LoadedRuns {
    std::vector<std::pair<char, LoadedRun>> runs;
    char against = 'A';                         ///< A: none was chosen
    std::shared_ptr<const Evaluation> original; ///< the model alone, when no run was measured
    std::string modelFingerprint;
    QStringList problems; ///< what a session file names and is not there, or is another
};

/// A run of the model measured for it, as Judge holds it.
struct MeasuredRun {
    char letter = 'A';
    std::shared_ptr<const Run> run;               ///< null: the original
    std::shared_ptr<const Evaluation> evaluation; ///< null: not measured
};

/// Folder of a model's evaluations within its cache.
std::filesystem::path evaluationsFolder(const QString& cacheFolder);
/// The file in a model's cache that remembers what is compared.
std::filesystem::path judgeListFile(const QString& cacheFolder);

/// With the newest measurement that the cache holds.
Result<LoadedRun> loadRun(const std::string& directory, const std::shared_ptr<const Model>& model,
                          const QString& cacheFolder);
/// What judgeListFile() remembers; runs that are gone are left out.
LoadedRuns loadJudgeList(const std::shared_ptr<const Model>& model, const QString& cacheFolder);
/// What a session file names, each run with the measurement of its own.
LoadedRuns loadCompared(const std::vector<SessionState::Compared>& compared, char against,
                        const std::shared_ptr<const Model>& model);
/// For a session file: where the runs and their measurements are kept.
std::vector<SessionState::Compared> comparedParts(const std::vector<MeasuredRun>& runs,
                                                  const QString& cacheFolder);

} // namespace qs::app
