// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/compare.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>

namespace qs {

using nlohmann::json;

namespace {

constexpr double kCertain = 0.95;

json toJson(const PairedDifference& d) {
    return {{"difference", d.mean},
            {"stderr", d.standardError},
            {"low", d.low},
            {"high", d.high},
            {"probability_better", d.probabilityBelow},
            {"windows", d.windows},
            {"resamples", d.resamples}};
}

bool sharesReference(const Evaluation& a, const Evaluation& b) {
    return a.hasReference && b.hasReference && a.referenceFingerprint == b.referenceFingerprint;
}

/// "99.8 %"; never "100 %", which no number of resamples can show.
std::string percent(double probability) {
    return probability >= 0.9995 - 0.5e-4 ? "more than 99.9 %" : fmt::format("{:.1f} %", 100 * probability);
}

} // namespace

std::string whyNotComparable(const Evaluation& a, const Evaluation& b) {
    if (a.maskedTokens != b.maskedTokens) return "measure differs";
    if (a.windowLength() != b.windowLength()) return "window length differs";
    if (a.windows() != b.windows()) return "number of windows differs";
    if (a.textFingerprint != b.textFingerprint) return "text differs";
    if (a.precision != b.precision) return "precision of the products differs";
    if (a.maskSeed != b.maskSeed) return "masked tokens differ";
    if (a.tokenNll.size() != b.tokenNll.size()) return "number of scored tokens differs";
    if (a.hasReference && b.hasReference && a.referenceFingerprint != b.referenceFingerprint)
        return "original differs";
    return {};
}

Result<EvaluationDifference> compareEvaluations(const Evaluation& a, const Evaluation& b,
                                                const BootstrapOptions& options, const JobContext& job) {
    if (const std::string why = whyNotComparable(a, b); !why.empty())
        return Error::invalid("not comparable: " + why, a.weights + ", " + b.weights);
    EvaluationDifference out;
    QS_TRY(out.nll, pairedBootstrap(a.tokenNll, b.tokenNll, a.scoredPerWindow(), options, job));
    if (sharesReference(a, b)) {
        QS_TRY(out.kl, pairedBootstrap(a.tokenKl, b.tokenKl, a.scoredPerWindow(), options, job));
    }
    return out;
}

json EvaluationDifference::toJson() const {
    json j = {{"nll", qs::toJson(nll)}};
    if (kl) j["kl"] = qs::toJson(*kl);
    return j;
}

std::string verdict(const PairedDifference& d, const std::string& a, const std::string& b) {
    const double p = d.probabilityBelow;
    if (p >= kCertain) return fmt::format("{} is better, {}", a, percent(p));
    if (p <= 1 - kCertain) return fmt::format("{} is better, {}", b, percent(1 - p));
    return fmt::format("no difference shown, {}", percent(std::max(p, 1 - p)));
}

std::vector<size_t> worstTokens(const Evaluation& e, size_t count) {
    const std::vector<float>& values = e.hasReference ? e.tokenKl : e.tokenNll;
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t(0));
    count = std::min(count, order.size());
    std::partial_sort(
        order.begin(), order.begin() + std::ptrdiff_t(count), order.end(),
        [&](size_t i, size_t j) { return values[i] > values[j] || (values[i] == values[j] && i < j); });
    order.resize(count);
    return order;
}

} // namespace qs
