// SPDX-License-Identifier: Apache-2.0
#include "app/cli/evaluate_report.h"

#include "app/cli/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

std::string evaluationText(const Evaluation& e, const std::string& source) {
    Fields f;
    f.add("Weights", e.weights);
    f.add("Text", source);
    f.add("Protocol", fmt::format("{}, {} tokens scored", e.protocol, e.tokens));
    if (!e.maskedTokens)
        f.add("Perplexity", fmt::format("{:.4f} ± {:.4f}", e.perplexity, e.perplexityStderr));
    f.add(e.maskedTokens ? "Masked-token loss" : "Loss",
          fmt::format("{:.5f} ± {:.5f} nats per token", e.nll, e.nllStderr));
    if (e.hasReference) {
        f.add("Reference", fmt::format("{}, loss {:.5f} ({:+.5f} here)", e.reference, e.referenceNll,
                                       e.nll - e.referenceNll));
        f.add("KL divergence", fmt::format("{:.6f} ± {:.6f} nats per token", e.kl, e.klStderr));
        f.add("Top-1 agreement", fmt::format("{:.2f} %", 100 * e.top1));
    }
    return f.text();
}

} // namespace qs::cli
