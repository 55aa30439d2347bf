// SPDX-License-Identifier: GPL-3.0-or-later
// What the lens, the comparison and the method trials say, as pictures.
#pragma once

#include "app/session/MethodTrials.h"
#include "widgets/charts/AnatomyWidget.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/ErrorMapWidget.h"

namespace qs::app {

/// What the session's comparison says. Empty text when there is none for `target`.
ui::HistogramDataPtr histogramPicture(const Session& session, int target);

enum class LensUnits { Weight, Code };

/// Original and dequantized values of the picture in front.
ui::HistogramDataPtr lensHistogram(const Lens& lens, LensUnits units);
/// Its errors, with those before the drag (or of plain min-max) as outline.
ui::HistogramDataPtr lensErrors(const Lens& lens);

enum class ErrorMapKind {
    Relative, ///< ||e|| / ||w|| of each group
    Square,   ///< ||e||^2 of each group, of the largest
};
ui::ErrorMapDataPtr lensErrorMap(const Lens& lens, ErrorMapKind kind);

ui::AnatomyDataPtr anatomyPicture(const Lens& lens, const MethodTrials& trials);

/// Where the clip lines stand, in the histogram's units. Every group is clipped at the same ratio of its own
/// range; in weight units the lines are those of a group that reaches the tensor's extremes.
struct ClipLines {
    double centre = 0, lo = 0, hi = 0; ///< for the range that is asked for
    double homeLo = 0, homeHi = 0;     ///< for what is kept
    double endLo = 0, endHi = 0;       ///< for a ratio of 1
    /// The ratio for lines at lo and hi.
    double ratio(double atLo, double atHi) const;
};
std::optional<ClipLines> clipLines(const Lens& lens, LensUnits units);

} // namespace qs::app
