// SPDX-License-Identifier: GPL-3.0-or-later
// What the charts of the Tune page show.
#pragma once

#include "app/session/TuneState.h"
#include "core/allocate/prediction_check.h"
#include "widgets/charts/CostChart.h"
#include "widgets/charts/StackedBar.h"
#include "widgets/editors/StopSlider.h"

namespace qs::app {

/// "nats per token", or the score's name.
QString costUnit(const ScoreDescriptor& score);
/// The frontier, one scheme for all, the present schemes, the evaluated run, and a target in MiB. Where
/// `check` has enough recipes, the band is what they say of the score, else what its own measurement leaves
/// open.
ui::CostChartDataPtr modelPicture(const TuneState& state, const Session& session, const TunePresent& present,
                                  const PredictionCheck& check, std::optional<double> target);
/// The candidates of one tensor by their stored bits; -1 for none.
ui::CostChartDataPtr tensorPicture(const TuneState& state, int target);
/// The candidate that a mark of tensorPicture() stands for.
std::optional<size_t> candidateOfMark(const TuneState& state, int target, size_t mark);
/// The schemes that a tensor's slider offers, smallest first, and as the last one the checkpoint's own.
struct TuneStops {
    std::vector<std::optional<Scheme>> schemes; ///< none: kept
    QVector<ui::SliderStop> labels;
    int current = -1; ///< -1: it has another one
};
TuneStops stopsOf(const TuneState& state, const Session& session, int target);
/// What the checkpoint's bytes are of, and the budget in MiB.
ui::StackedBarDataPtr budgetPicture(const TuneState& state, const Session& session,
                                    std::optional<double> target);
/// "[512, 2048] · int4 g64 · 0.82 MiB"
QString tensorFacts(const Session& session, int target);

} // namespace qs::app
