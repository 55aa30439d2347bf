// SPDX-License-Identifier: GPL-3.0-or-later
// Colour maps as 256-entry tables. Sequential: YlGnBu; diverging: PuOr (both ColorBrewer, C. Brewer,
// colorbrewer2.org, safe for colour-blind readers). In the dark theme both run the other way, so that "low"
// sinks into the page.
#pragma once

#include "widgets/theme/Theme.h"

#include <QBrush>
#include <QVector>
#include <array>

namespace qs::ui {

enum class MapKind { Sequential, Diverging };

using ColorTable = std::array<QRgb, 256>;
const ColorTable& colorTable(MapKind kind, bool dark);
inline const ColorTable& colorTable(MapKind kind) {
    return colorTable(kind, theme().dark);
}

/// 000000 when the fill's relative luminance is above 0.18, else FFFFFF: at least 4.5:1 on every fill.
QColor textOn(const QColor& fill);

/// "Not measured": hatched in text3 over base, never a colour of a map.
QBrush notMeasuredBrush();

/// How a value becomes a table index.
struct Normalization {
    double lo = 0, hi = 1; ///< lo < hi; for log both > 0
    bool log = false;
    bool diverging = false; ///< symmetric: lo == -hi

    /// [0, 1]; values outside are clamped; NaN for values that have no place (NaN, or <= 0 on a log scale).
    double position(double value) const;
    double valueAt(double position) const;
    bool below(double value) const { return value < lo; }
    bool above(double value) const { return value > hi; }

    /// The finite range of `values` (positive ones for log); 0..1 (0.1..1) when there is none, widened when
    /// flat.
    static Normalization fromValues(const QVector<double>& values, bool log, bool diverging);
};

/// The fill of a value; invalid QColor for values without a place (paint notMeasuredBrush() then).
QColor mapColor(const Normalization& normalization, const ColorTable& table, double value);

} // namespace qs::ui
