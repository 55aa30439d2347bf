// SPDX-License-Identifier: Apache-2.0
// Evaluation: perplexity, KL divergence and top-1 agreement, per token and as means. Protocol: rows of
// `tokens` are separate contexts; the first token of a row is context only; mean natural-log loss over the
// rest. Encoders (BERT) are measured by their masked-token loss instead, see scored_tokens.h.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/model/model.h"
#include "core/model/weights.h"

#include <optional>

namespace qs {

/// Scored tokens stand in the order of the text: window by window, scoredPerWindow() of each.
struct Evaluation {
    bool maskedTokens = false; ///< the loss is over masked tokens: comparable with itself, no perplexity
    uint64_t maskSeed = 0;     ///< which tokens were masked; 0 for next-token prediction
    double nll = 0;            ///< nats per token
    double perplexity = 0;     ///< exp(nll)
    double nllStderr =
        0; ///< standard error of nll: sample standard deviation of the token losses / sqrt(tokens)
    double perplexityStderr = 0; ///< perplexity * nllStderr (delta method)
    uint64_t tokens = 0;         ///< scored
    bool hasReference = false;
    double referenceNll = 0;
    double kl = 0, klStderr = 0; ///< mean KL(reference || this), nats per scored token
    double kl99 = 0;             ///< 99th percentile of tokenKl, interpolated between order statistics
    double top1 = 0;             ///< share of scored tokens whose argmax is the reference's, 0..1

    std::shared_ptr<const TokenWindows> text; ///< [windows, length]: what was scored
    std::vector<int32_t> tokenAt;             ///< [scored]: where the token stands in `text`, ascending
    std::vector<float> tokenNll;              ///< [scored]
    std::vector<int32_t> tokenTop;            ///< [scored]: the id with the largest logit
    std::vector<float> tokenKl;               ///< [scored], >= 0; empty without a reference, and so the rest:
    std::vector<float> referenceTokenNll;
    std::vector<int32_t> referenceTop;

    std::string protocol; ///< "256-token windows x 128, first token context"; with a precision other than f32
    Precision precision = Precision::F32;
    std::string textFingerprint;         ///< SHA-256 of the tokens
    std::string source;                  ///< name of the text, for people; set by the caller
    size_t blocksTaken = 0;              ///< of both models, from EvaluateOptions::cache; not kept
    std::vector<std::string> cacheNotes; ///< what went wrong there; not kept
    std::string weights, reference;      ///< labels
    std::string weightsFingerprint, referenceFingerprint;

    size_t windows() const { return text ? text->rows() : 0; }
    size_t windowLength() const { return text ? text->cols() : 0; }
    size_t scoredPerWindow() const { return windows() ? tokenNll.size() / windows() : 0; }
    const char* measure() const; ///< "perplexity", "masked-token loss"
    /// Keys measure, nll, stderr, tokens, protocol, ...; ppl, ppl_stderr for perplexity; kl, top1, ... when
    /// compared.
    nlohmann::json toJson() const;
    /// Sets tokens, nll, kl, ... from the values per token.
    void summarize();
};

/// A folder with hidden states of earlier evaluations (hidden_cache.h): what comes out alike is taken from
/// it.
struct HiddenCache {
    std::filesystem::path folder; ///< made when it is missing
    std::string identity;         ///< of the model's architecture: what a block computes beside its weights
    uint64_t bytes = uint64_t(2) << 30;
};
/// For weights over this model.
Result<HiddenCache> hiddenCacheFor(const Model& model, std::filesystem::path folder);

struct EvaluateOptions {
    uint64_t maskSeed = 0; ///< chooses the masked tokens of an encoder
    size_t activationBudgetBytes = size_t(2) << 30;
    std::optional<HiddenCache> cache; ///< none: every block is run
};

/// `reference` may be null. Both are streamed block by block; memory: one block (two with a reference) and
/// the activations.
Result<Evaluation> evaluate(const ModelSpec& spec, const WeightSource& weights, const WeightSource* reference,
                            const TokenWindows& tokens, const EvaluateOptions& options, Backend& backend,
                            const JobContext& job);

/// What `compared` says about its reference: an evaluation of it without a reference of its own. Needs
/// compared.hasReference.
Evaluation evaluationOfReference(const Evaluation& compared);

} // namespace qs
