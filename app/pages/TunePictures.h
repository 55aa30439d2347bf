// SPDX-License-Identifier: GPL-3.0-or-later
// What the charts of the Tune page show.
#pragma once

#include "app/session/TuneState.h"
#include "widgets/charts/CostChart.h"

namespace qs::app {

/// "nats per token", or the score's name.
QString costUnit(const ScoreDescriptor& score);
/// The frontier, one scheme for all, the present schemes, the evaluated run, and a target in MiB.
ui::CostChartDataPtr modelPicture(const TuneState& state, const Session& session,
                                  std::optional<double> target);
/// The candidates of one tensor by their stored bits; -1 for none.
ui::CostChartDataPtr tensorPicture(const TuneState& state, int target);
/// The candidate that a mark of tensorPicture() stands for.
std::optional<size_t> candidateOfMark(const TuneState& state, int target, size_t mark);
/// "[512, 2048] · int4 g64 · 0.82 MiB"
QString tensorFacts(const Session& session, int target);

} // namespace qs::app
