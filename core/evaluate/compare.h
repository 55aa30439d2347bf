// SPDX-License-Identifier: Apache-2.0
// Two evaluations beside each other: may they be compared, and which is better? Two results are compared only
// when they were measured under one protocol.
#pragma once

#include "core/evaluate/bootstrap.h"
#include "core/evaluate/evaluate.h"

namespace qs {

/// Why the two cannot be compared: "window length differs", "text differs", ...; "" when they can.
std::string whyNotComparable(const Evaluation& a, const Evaluation& b);

/// a minus b, nats per token; negative: a is better.
struct EvaluationDifference {
    PairedDifference nll;
    std::optional<PairedDifference> kl; ///< when both have the same reference
    /// The one that decides: KL where there is one (it varies less from token to token), else the loss.
    const PairedDifference& deciding() const { return kl ? *kl : nll; }
    /// Keys nll and kl: difference, stderr, low, high, probability_better, windows, resamples.
    nlohmann::json toJson() const;
};

/// InvalidArgument with whyNotComparable(), or when there are fewer than 2 windows.
Result<EvaluationDifference> compareEvaluations(const Evaluation& a, const Evaluation& b,
                                                const BootstrapOptions& options, const JobContext& job);

/// "B is better, 99.8 %" of a difference B minus another; "no difference shown, 71.0 %" below 95 %.
std::string verdict(const PairedDifference& d, const std::string& a, const std::string& b);

/// The scored tokens with the largest KL (without a reference: loss), largest first, equal ones in text
/// order; indices into tokenKl, at most `count`.
std::vector<size_t> worstTokens(const Evaluation& e, size_t count);

} // namespace qs
