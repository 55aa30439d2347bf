// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of what differs between two of the runs compared: losses by token, bits and errors by tensor.
#pragma once

#include "app/pages/LayerGrid.h"
#include "app/session/JudgeSet.h"
#include "widgets/charts/HistogramWidget.h"

namespace qs::app {

/// Histogram of the loss of `a` minus that of `b`, per scored token; says why when they cannot be paired.
ui::HistogramDataPtr lossChange(const ComparedRun* a, const ComparedRun* b);

/// Stored bits per weight of `a` minus those of `b`: purple is more, orange fewer. Null without two plans to
/// compare.
ui::HeatMapDataPtr bitsDifference(const LayerGrid& grid, const ComparedRun& a, const ComparedRun& b);

/// log2 of b's relative output error over a's: +1 says that a has half the error (purple is better). Weight
/// errors where no output error was measured. Null when one of them is the original.
ui::HeatMapDataPtr errorDifference(const LayerGrid& grid, const SchemeTable& table, const ComparedRun& a,
                                   const ComparedRun& b);

/// "Tensors with fewer bits (orange): 17, with more (purple): 24. Empty cells are equal."
QString bitsDifferenceText(const ui::HeatMapData& data);

/// Relative error of a tensor as the run measured it: of its output, else of its weights; NaN when it was
/// kept.
double errorOf(const TensorResult* result);

} // namespace qs::app
