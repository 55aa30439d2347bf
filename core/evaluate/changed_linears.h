// SPDX-License-Identifier: Apache-2.0
// What one changed linear does to the predictions of a model, for many linears in turn. A change leaves the
// blocks before its own as they are, so only its block and those after it are run: of a model with n blocks a
// change in block b costs n - b of them.
#pragma once

#include "core/evaluate/evaluate.h"

namespace qs {

/// Other values for one linear, and rounded inputs and outputs.
struct LinearChange {
    std::string module;
    /// [out, in]; asked for when the block's turn has come, so that only a few are held at a time.
    std::function<Result<Matrix>(const JobContext&)> values;
    std::shared_ptr<const RowRounder> inputs = nullptr;  ///< null: as the weights' source has it
    std::shared_ptr<const RowRounder> outputs = nullptr; ///< likewise
};

struct ChangeEffect {
    double loss = 0;             ///< mean nats per scored token after the change
    double kl = 0, klStderr = 0; ///< mean KL(original || changed), nats per scored token
};

struct ChangeEffects {
    double loss = 0;                   ///< of the original
    std::vector<ChangeEffect> effects; ///< in the order of the changes
    uint64_t tokens = 0;               ///< scored
    std::string protocol;
};

/// Called with each effect (index into the changes), block by block, on the calling thread.
using ChangeEffectSink = std::function<void(size_t change, const ChangeEffect&)>;

/// Every change alone, over `tokens` (the protocol of evaluate.h). Errors: a module that the model's blocks
/// do not have, values of another shape. Memory: one block, and the hidden states of the text four times and
/// once per change that is run at the same time: as many as options.activationBudgetBytes hold, at least one.
Result<ChangeEffects> measureChanges(const ModelSpec& spec, const WeightSource& weights,
                                     std::span<const LinearChange> changes, const TokenWindows& tokens,
                                     const EvaluateOptions& options, Backend& backend, const JobContext& job,
                                     const ChangeEffectSink& measured = {});

} // namespace qs
