// SPDX-License-Identifier: GPL-3.0-or-later
// The tensors of the blocks as a grid: one row per role (q, k, v, ...), one column per block. The experts of
// a mixture share a cell; a grid of their own has one row per expert.
#pragma once

#include "widgets/heatmaps/HeatMapData.h"
#include "widgets/models/Metric.h"
#include "widgets/models/TargetTableSource.h"

#include <QPoint>

namespace qs::app {

enum class CellText { Bits, Value, None };

/// How a grid is drawn.
struct LayerPictureSpec {
    ui::Metric metric = ui::Metric::BitsNow;
    CellText text = CellText::None;
    /// Per target, what the filter lets through; cells of which nothing passes are dimmed. Empty: no filter.
    std::vector<char> passes;
};

/// A drawn grid and what is needed to draw it again where a few tensors have changed.
struct LayerPicture {
    std::shared_ptr<ui::HeatMapData> data;
    std::vector<double> bytes; ///< of the recipe, by cell
};

struct LayerGrid {
    QStringList rows, columns;
    QString rowTitle;
    QVector<QVector<int>> cells; ///< [rows, columns]: the targets of each; none where a block lacks the role
    QVector<QPoint> cellOf;      ///< by target: x = column, y = row; (-1, -1) without a cell

    /// Tensors outside of blocks have no cell. Rows in the order of the model.
    static LayerGrid of(const ui::TargetTableSource& source);
    /// Experts by blocks, of one role ("gate").
    static LayerGrid ofExperts(const ui::TargetTableSource& source, const QString& role);
    /// Roles that experts have, in the order of the model; empty without a mixture.
    static QStringList expertRoles(const ui::TargetTableSource& source);

    bool isEmpty() const { return cells.isEmpty(); }
    /// The first of a cell, -1 when there is none.
    int target(int row, int column) const;
    QVector<int> targetsOf(const QVector<QPoint>& list) const;
    /// Cells of the targets that have one, each once.
    QVector<QPoint> cellsOf(const QVector<int>& targets) const;
    QPoint cell(int target) const { return cellOf.value(target, {-1, -1}); }
    /// "12 cells: blocks 2-5 x gate, up, down"; "" for one cell or none.
    QString describe(const QVector<QPoint>& list) const;

    /// A cell shows the worst of its targets, of shares their sum.
    LayerPicture picture(const ui::TargetTableSource& source, const LayerPictureSpec& spec) const;
    /// The same picture after `targets` changed. What was handed out of `before` stays as it is.
    LayerPicture picture(const LayerPicture& before, const QVector<int>& targets,
                         const ui::TargetTableSource& source, const LayerPictureSpec& spec) const;

private:
    void draw(LayerPicture& picture, qsizetype cell, const ui::TargetTableSource& source,
              const LayerPictureSpec& spec) const;
    void drawRowBars(LayerPicture& picture) const;
};

} // namespace qs::app
