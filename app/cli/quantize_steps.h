// SPDX-License-Identifier: Apache-2.0
// The steps that `quantize`, `calibrate` and `demo` share: tokens -> calibration -> run, with what is already
// there reused.
#pragma once

#include "app/cli/command.h"
#include "app/cli/tokens.h"
#include "core/run/run.h"

namespace qs::cli {

struct QuantizeRequest {
    std::shared_ptr<const Model> model;
    Recipe recipe;
    std::string calibrationFile; ///< "" = calibrate when the plan needs it
    std::string imatrixFile;     ///< an importance matrix instead; "" = none
    TokenOptions tokens;
    std::filesystem::path output;
    std::filesystem::path earlier; ///< a run of the model whose results are used where they come out alike
};

struct QuantizeOutcome {
    Plan plan;
    std::shared_ptr<const Calibration> calibration; ///< null when there is none
    std::shared_ptr<const Run> run;
};

/// Plans, calibrates into OUTPUT/calibration.h5 (or reuses it when it was made from the same tokens and
/// model), runs. A folder that holds a finished or interrupted run of the same request is resumed; of another
/// request, refused before anything is computed.
Result<QuantizeOutcome> quantizeSteps(const QuantizeRequest& request, Backend& backend, Console& console,
                                      const JobContext& job);

/// The first Error issue of a plan as an Error that also says how many there are.
Result<void> requirePlan(const Plan& plan);
/// Every issue as a line, errors first; "" when there is none.
std::string issuesText(const std::vector<LintIssue>& issues);
nlohmann::json issuesJson(const std::vector<LintIssue>& issues);
/// "int4 g128 sym, gptq", or "kept".
std::string schemeText(const std::optional<Scheme>& scheme);

nlohmann::json outcomeJson(const QuantizeOutcome& outcome);
/// Sizes, the largest error, paths.
std::string outcomeSummary(const QuantizeOutcome& outcome);
/// One line per linear, then the summary.
std::string outcomeText(const QuantizeOutcome& outcome);

} // namespace qs::cli
