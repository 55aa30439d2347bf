// SPDX-License-Identifier: Apache-2.0
// What a plan has to learn from the calibration text before activations can be rounded as it says: ranges and
// codebooks of the KV cache, bases of log grids. Found once, on the original model, and kept in the run's
// folder.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/recipe/recipe.h"
#include "core/store/findings_store.h"

namespace qs {

bool needsFindings(const Plan& plan);

/// One pass of the original model over the calibration's text. Tokens that the cache keeps exactly do not
/// count. Inputs are looked at as transforms leave them, those that need Sigma with the one of the original
/// model.
Result<RunFindings> findForRun(const Model& model, const Plan& plan, const Calibration& calibration,
                               size_t activationBudgetBytes, Backend& backend, const JobContext& job);

/// What rounds activations in one block, beside the inputs of its linears.
struct BlockRounders {
    std::shared_ptr<const KvRounder> cache;
    std::shared_ptr<const RowRounder> probabilities;
};

/// One per block of the model; `findings` from findForRun(), empty where the plan needs none.
Result<std::vector<BlockRounders>> blockRounders(const ModelSettings& settings, const Model& model,
                                                 const RunFindings& findings);
/// inputRounder() of a linear's scheme.
Result<std::shared_ptr<const RowRounder>> inputRounder(const Scheme& scheme, const std::string& module,
                                                       const RunFindings& findings);

std::filesystem::path findingsFile(const std::filesystem::path& runDirectory);

} // namespace qs
