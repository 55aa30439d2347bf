// SPDX-License-Identifier: Apache-2.0
// One passage through several models: what each of them expected at every position.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/weights.h"

namespace qs {

struct TokenChoice {
    int32_t id = 0;
    float probability = 0;
};

/// What a model says about one token, having read the tokens before it.
struct TokenPrediction {
    float nll = 0;                ///< of the token that stands there, nats
    float kl = 0;                 ///< KL(first model || this), nats; 0 for the first model itself
    bool flip = false;            ///< its most likely token is not the first model's
    float probability = 0;        ///< of the token that stands there
    std::vector<TokenChoice> top; ///< most likely first; equal ones by id
};

struct TokenComparison {
    std::vector<int32_t> ids;        ///< [T]
    std::vector<std::string> labels; ///< [models]; the first is the one the others are compared with
    /// [models][T - 1]: entry t is about ids[t + 1].
    std::vector<std::vector<TokenPrediction>> models;
};

struct TokenCompareOptions {
    size_t top = 10;
    size_t activationBudgetBytes = size_t(2) << 30;
};

/// All models have the form `spec`. They are streamed side by side, block by block; memory: one block of one
/// model, the activations and a batch of logits of each. InvalidArgument for a passage of fewer than 2 tokens
/// or an id outside the vocabulary; Unsupported for an encoder, which predicts masked tokens only.
Result<TokenComparison> compareTokens(const ModelSpec& spec, std::span<const WeightSource* const> models,
                                      std::span<const int32_t> ids, const TokenCompareOptions& options,
                                      Backend& backend, const JobContext& job);

} // namespace qs
