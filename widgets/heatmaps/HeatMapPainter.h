// SPDX-License-Identifier: GPL-3.0-or-later
// Layout and drawing of a heat map, apart from its interaction, so that the screen and the exported picture
// are one code.
#pragma once

#include "widgets/heatmaps/HeatMapData.h"

#include <QHash>
#include <QPainter>
#include <QPixmap>
#include <QPoint>
#include <QRectF>

namespace qs::ui {

struct HeatMapLayout {
    QRectF view; ///< where cells show; the content may be larger and scroll under it
    double cellWidth = 0, cellHeight = 0;
    QPointF scroll; ///< content offset, px
    int rows = 0, columns = 0;
    double rowLabelRight = 0; ///< right edge of the row labels
    QRectF columnLabels;      ///< strip above the cells
    QRectF bars;              ///< marginal bars right of the cells; empty when none
    QPointF colorBar;         ///< top left; only when hasColorBar
    bool hasColorBar = false;
    double titleTop = 0; ///< top of the column title

    QSizeF contentSize() const { return {cellWidth * columns, cellHeight * rows}; }
    QRectF cellRect(int row, int column) const {
        return {view.left() - scroll.x() + column * cellWidth, view.top() - scroll.y() + row * cellHeight,
                cellWidth, cellHeight};
    }
    /// Cell under a point (x = column, y = row), clamped to the grid when `clamp`; (-1, -1) when outside.
    QPoint cellAt(const QPointF& at, bool clamp = false) const;
};

/// What the user is doing, painted over the data.
struct HeatMapMarks {
    QPoint current{-1, -1}, hover{-1, -1}; ///< x = column, y = row
    QVector<bool> selected;                ///< empty, or [rows, cols]
    bool showBrush = false;                ///< outline `selected` (more than the current cell)
};

class HeatMapPainter {
public:
    static constexpr double kMaxCellWidth = 64, kMaxCellHeight = 36, kMinCell = 6, kTextCell = 22;

    HeatMapLayout layout(const HeatMapData& data, const QSizeF& size, const QPointF& scroll,
                         bool colorBar) const;
    void paint(QPainter& painter, const HeatMapData& data, const HeatMapLayout& layout,
               const HeatMapMarks& marks);
    void clearCache() { m_stamps.clear(); }

private:
    void paintCells(QPainter&, const HeatMapData&, const HeatMapLayout&);
    void paintCellText(QPainter&, const QRectF& cell, const QString& text, const QColor& color);
    void paintFlags(QPainter&, const QRectF& cell, quint8 flags, const QColor& ink) const;
    void paintLabels(QPainter&, const HeatMapData&, const HeatMapLayout&, const QPoint& current) const;
    void paintBars(QPainter&, const HeatMapData&, const HeatMapLayout&) const;
    void paintMarks(QPainter&, const HeatMapData&, const HeatMapLayout&, const HeatMapMarks&) const;

    QHash<std::pair<QString, QRgb>, QPixmap> m_stamps; ///< one per distinct text and ink
    double m_ratio = 0;                                ///< device pixels per logical pixel of the stamps
};

} // namespace qs::ui
