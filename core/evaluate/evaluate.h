// SPDX-License-Identifier: Apache-2.0
// Evaluation: perplexity, KL divergence and top-1 agreement. Protocol: rows of `tokens` are separate
// contexts; the first token of a row is context only; mean natural-log loss over the rest. Encoders (BERT)
// are measured by their masked-token loss instead, see scored_tokens.h.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/weights.h"

namespace qs {

struct Evaluation {
    bool maskedTokens = false; ///< the loss is over masked tokens: comparable with itself, no perplexity
    double nll = 0;            ///< nats per token
    double perplexity = 0;     ///< exp(nll)
    double nllStderr =
        0; ///< standard error of nll: sample standard deviation of the token losses / sqrt(tokens)
    double perplexityStderr = 0; ///< perplexity * nllStderr (delta method)
    uint64_t tokens = 0;         ///< scored
    bool hasReference = false;
    double referenceNll = 0;
    double kl = 0, klStderr = 0;    ///< mean KL(reference || this), nats per scored token
    double top1 = 0;                ///< share of scored tokens whose argmax is the reference's, 0..1
    std::vector<float> tokenNll;    ///< [scored], row by row
    std::string protocol;           ///< "256-token windows x 128, first token context"
    std::string textFingerprint;    ///< SHA-256 of the tokens
    std::string weights, reference; ///< labels
    const char* measure() const;    ///< "perplexity", "masked-token loss"
    /// Keys measure, nll, stderr, tokens, protocol, ...; ppl, ppl_stderr for perplexity; kl, top1, ... when
    /// compared.
    nlohmann::json toJson() const;
};

struct EvaluateOptions {
    uint64_t maskSeed = 0; ///< chooses the masked tokens of an encoder
    size_t activationBudgetBytes = size_t(2) << 30;
};

/// `reference` may be null. Both are streamed block by block; memory: one block (two with a reference) and
/// the activations.
Result<Evaluation> evaluate(const ModelSpec& spec, const WeightSource& weights, const WeightSource* reference,
                            const TokenWindows& tokens, const EvaluateOptions& options, Backend& backend,
                            const JobContext& job);

} // namespace qs
