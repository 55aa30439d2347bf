// SPDX-License-Identifier: Apache-2.0
// A model and up to three runs of it, measured on the same tokens: what compare and report speak about.
#pragma once

#include "app/cli/command.h"
#include "app/cli/subject.h"
#include "app/cli/tokens.h"
#include "core/report/report.h"

namespace qs::cli {

/// A is the original, B to D the runs in the order given.
struct ComparedRuns {
    std::shared_ptr<const Model> model;
    std::vector<ReportRun> runs;
    std::string source; ///< name of the text
};

/// Runs or exports at `paths`. The original is `reference` when given, else that of the first run among them.
Result<ComparedRuns> measureRuns(const std::vector<std::string>& paths, const std::string& reference,
                                 const TokenOptions& tokens, Backend& backend, const JobContext& job);

} // namespace qs::cli
