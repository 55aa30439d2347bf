// SPDX-License-Identifier: GPL-3.0-or-later
// HeatMapData: an immutable snapshot of a layer x module grid (or any small grid), shared with the widget by
// pointer.
#pragma once

#include "widgets/theme/ColorMap.h"

#include <QStringList>
#include <QVector>
#include <memory>

namespace qs::ui {

enum HeatMapFlag : quint8 {
    kCellEdited = 1,   ///< changed since the last solve or run: filled corner
    kCellLocked = 2,   ///< padlock
    kCellStale = 4,    ///< measured before the recipe changed: clock glyph
    kCellFailed = 8,   ///< failed or fell back: red cross glyph
    kCellStandIn = 32, ///< measured by a stand-in, see HeatMapData::standInHint: "nearly equal" glyph
    kCellDimmed = 16,  ///< does not pass the filter: pale
};

struct HeatMapData {
    QStringList rowLabels, columnLabels; ///< sizes are rows and cols
    QString rowTitle, columnTitle;       ///< "module", "block"
    QString valueTitle, unit;            ///< "Output error, relative", "%"
    QString valueHint;                   ///< one line for the tooltip: formula, what is good
    QString standInHint;                 ///< what kCellStandIn means
    QVector<double> values;              ///< [rows, cols] row-major; NaN = not measured
    QStringList cellTexts;               ///< empty, or [rows, cols]
    QVector<quint8> flags;               ///< empty, or [rows, cols] of HeatMapFlag
    bool log = false;
    bool diverging = false;  ///< PuOr, symmetric about zero; `log` is then ignored
    double lo = 0, hi = 0;   ///< fixed range when lo < hi, else the range of `values`
    QVector<double> rowBars; ///< empty, or one per row: marginal bars, >= 0
    QString rowBarTitle;     ///< with unit: "predicted KL share, %"
    bool rowBarsPredicted = false;

    int rows() const { return int(rowLabels.size()); }
    int columns() const { return int(columnLabels.size()); }
    int index(int row, int column) const { return row * columns() + column; }
    double value(int row, int column) const { return values[index(row, column)]; }
    QString text(int row, int column) const { return cellTexts.value(index(row, column)); }
    quint8 flag(int row, int column) const { return flags.value(index(row, column)); }
    /// Sizes of every vector agree with the labels.
    bool isConsistent() const;
    Normalization normalization() const;
};

using HeatMapDataPtr = std::shared_ptr<const HeatMapData>;

} // namespace qs::ui
