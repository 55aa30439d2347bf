// SPDX-License-Identifier: GPL-3.0-or-later
// HeatMapWidget: a grid of coloured cells with a current cell and a brushed selection.
// Mouse: click moves, drag brushes, Ctrl+drag adds, a label selects its row or column, double-click
// activates. Keys: arrows move, Shift+arrows brush, Ctrl+A all, Escape back to one cell, 2 to 8 and Shift+6
// (BF16) ask for bits, L and U ask for lock and unlock, Enter activates, Space shows what is here. Cells grow
// to 64 x 36 px; below 22 px the text goes, below 6 px the grid scrolls.
#pragma once

#include "widgets/charts/Picture.h"
#include "widgets/heatmaps/HeatMapPainter.h"

#include <QAbstractScrollArea>

namespace qs::ui {

class HeatMapWidget : public QAbstractScrollArea, public Picture {
    Q_OBJECT
public:
    explicit HeatMapWidget(QWidget* parent = nullptr);

    /// Takes a snapshot; inconsistent data is shown as empty. The current cell and the selection survive when
    /// the grid's size stays the same.
    void setData(HeatMapDataPtr data);
    HeatMapDataPtr data() const { return m_data; }
    void setName(const QString& name); ///< accessible name and file name
    /// The colour scale above the grid (default on); a page with a tool row shows a ColorBar there instead.
    void setColorBarVisible(bool visible);
    /// Shown centred when there is no data.
    void setEmptyText(const QString& text);

    /// x = column, y = row; (-1, -1) when there is none. Setters do not emit.
    QPoint currentCell() const { return m_marks.current; }
    void setCurrentCell(int row, int column);
    QVector<QPoint> selectedCells() const;
    void setSelectedCells(const QVector<QPoint>& cells);

    /// Current geometry, viewport coordinates.
    HeatMapLayout currentLayout() const;

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {200, 120}; }

signals:
    void currentCellChanged(int row, int column);
    /// The selection is settled (drag ended, key pressed): x = column, y = row.
    void brushed(const QVector<QPoint>& cells);
    /// While dragging, the rectangle in cells; cheap handlers only.
    void brushMoved(const QRect& cells);
    void cellActivated(int row, int column);
    void bitsTyped(int bits); ///< 2 to 8, or 16
    void lockRequested(bool lock);

protected:
    bool viewportEvent(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void scrollContentsBy(int dx, int dy) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

private:
    bool hasCells() const { return m_data && m_data->rows() > 0 && m_data->columns() > 0; }
    void moveCurrent(const QPoint& cell);
    void selectRect(const QRect& cells, bool keepBase);
    void settle();
    void updateScrollBars();
    void setHover(const QPoint& cell);
    bool pressLabel(const QPointF& at);
    bool handleNavigation(QKeyEvent* event);
    bool handleCommand(QKeyEvent* event);
    void ensureVisible(const QPoint& cell);
    QString describe(const QPoint& cell) const;
    void showToolTip(const QPoint& cell, const QPoint& globalPos);

    HeatMapDataPtr m_data;
    mutable HeatMapPainter m_painter;
    HeatMapMarks m_marks;
    QVector<bool> m_baseSelection; ///< selection before a Ctrl+drag
    QPoint m_anchor{-1, -1};
    bool m_dragging = false;
    bool m_colorBar = true;
    QString m_name, m_emptyText;
};

} // namespace qs::ui
