// SPDX-License-Identifier: GPL-3.0-or-later
// The tensors of the blocks as a grid: one row per role (q, k, v, ...), one column per block.
#pragma once

#include "widgets/heatmaps/HeatMapData.h"
#include "widgets/models/Metric.h"
#include "widgets/models/TargetTableSource.h"

#include <QHash>
#include <QPoint>

namespace qs::app {

enum class CellText { Bits, Value, None };

struct LayerGrid {
    QStringList rows, columns;
    QVector<int> targets;      ///< [rows, columns]; -1 where a block lacks the role
    QHash<int, QPoint> cellOf; ///< target -> x = column, y = row

    /// Tensors outside of blocks have no cell. Rows in the order of the model.
    static LayerGrid of(const ui::TargetTableSource& source);
    bool isEmpty() const { return targets.isEmpty(); }
    int target(int row, int column) const;
    QVector<int> targetsOf(const QVector<QPoint>& cells) const;
    /// Cells of the targets that have one.
    QVector<QPoint> cellsOf(const QVector<int>& targets) const;
    /// "12 cells: blocks 2-5 x gate, up, down"; "" for one cell or none.
    QString describe(const QVector<QPoint>& cells) const;

    ui::HeatMapDataPtr picture(const ui::TargetTableSource& source, ui::Metric metric, CellText text) const;
};

} // namespace qs::app
