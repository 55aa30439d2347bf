// SPDX-License-Identifier: Apache-2.0
#include "app/cli/prediction_report.h"

#include "app/cli/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

json numberOrNull(double value) {
    return std::isfinite(value) ? json(value) : json();
}

std::string pointsText(const PredictionCheck& check, const ScoreDescriptor& score) {
    Table t({{"recipe", true},
             {"bits per weight", true},
             {score.isLoss ? "predicted, nats" : "predicted, score", true},
             {"measured KL, nats", true},
             {"standard error", true}});
    for (size_t k = 0; k < check.points.size(); ++k) {
        const PredictionPoint& p = check.points[k];
        t.add({std::to_string(k + 1), fmt::format("{:.3f}", p.bitsPerWeight), number(p.predicted),
               number(p.kl), number(p.klStderr)});
    }
    return t.text();
}

} // namespace

Result<void> reportPredictions(Session& session, const SensitivityTable& table, const ScoreDescriptor& score,
                               PlanMeasure& measure, size_t count) {
    for (const Assignment& a : drawAssignments(table, count, table.seed))
        if (std::isnan(predictedCost(table, score, a)))
            return Error::invalid(
                fmt::format("the score {} needs what is not measured: {}", score.id, score.needs), "--score");
    QS_TRY(const auto measured, measureAssignments(measure, table, {0, count, table.seed}, session.job));
    const PredictionCheck check = checkPredictions(table, score, measured);
    Fields f;
    f.add("Score", score.label);
    f.add("Rank correlation", std::isfinite(check.rankCorrelation)
                                  ? fmt::format("{:.3f} (Spearman, {} recipes)", check.rankCorrelation, count)
                                  : "not defined for these recipes");
    if (score.isLoss) f.add("Measured / predicted", fmt::format("{} (geometric mean)", number(check.ratio)));
    f.add("Valid for", score.validity);
    session.console.text(pointsText(check, score) + "\n" + f.text());
    json points = json::array();
    for (size_t k = 0; k < check.points.size(); ++k) {
        const PredictionPoint& p = check.points[k];
        json candidates = json::array();
        for (const auto& c : measured[k].candidate)
            candidates.push_back(c ? json(*c) : json());
        points.push_back({{"bits_per_weight", p.bitsPerWeight},
                          {"predicted", p.predicted},
                          {"kl", p.kl},
                          {"kl_stderr", p.klStderr},
                          {"candidates", std::move(candidates)}});
    }
    session.console.result({{"score", score.id},
                            {"points", std::move(points)},
                            {"rank_correlation", numberOrNull(check.rankCorrelation)},
                            {"ratio", numberOrNull(check.ratio)}});
    return {};
}

} // namespace qs::cli
