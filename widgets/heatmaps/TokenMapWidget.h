// SPDX-License-Identifier: GPL-3.0-or-later
// TokenMapWidget: activations of one window, a row per token, channels pooled to pixels by the largest
// magnitude. Mouse: wheel scrolls tokens, Ctrl+wheel zooms channels around the pointer, Ctrl+Shift+wheel
// zooms tokens, Shift+wheel pans; drag pans; click sets the crosshair; double-click zooms to the cell, or
// back to everything. Keys: arrows move the crosshair (Shift: ten steps), Ctrl+Left and Ctrl+Right go to the
// next marked channel, N and Shift+N to the next massive activation, + and - zoom, 0 everything, Return
// activates, Escape lets go.
#pragma once

#include "widgets/charts/Picture.h"
#include "widgets/heatmaps/TokenMapPainter.h"

#include <QAbstractScrollArea>

namespace qs::ui {

class TokenMapWidget : public QAbstractScrollArea, public Picture {
    Q_OBJECT
public:
    explicit TokenMapWidget(QWidget* parent = nullptr);

    /// Zoom and crosshair stay when the sizes do.
    void setData(TokenMapDataPtr data);
    TokenMapDataPtr data() const { return m_data; }
    void setMode(TokenMode mode);
    TokenMode mode() const { return m_view.mode; }

    /// (channel, token); (-1, -1) for none. Scrolls there; emits nothing.
    void setCrosshair(const QPoint& cell);
    QPoint crosshair() const { return m_view.cross; }
    /// Channels [first, end) in view, at least 8 of them.
    void setChannelRange(double first, double end);
    /// All channels and all tokens.
    void showAll();
    /// Rows high enough to read, all channels: how a map opens.
    void showReadable();

    TokenMapLayout currentLayout() const;
    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override;
    QSize sizeHint() const override { return {640, 360}; }
    QSize minimumSizeHint() const override { return {260, 160}; }

signals:
    void crosshairMoved(int channel, int token); ///< by mouse or keys
    void channelActivated(int channel);          ///< Return, double-click on a mark
    void rangeChanged();                         ///< what is in view: channels per pixel changed

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void scrollContentsBy(int dx, int dy) override;
    bool viewportEvent(QEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

private:
    bool empty() const { return !m_data || m_data->empty(); }
    double fitRowHeight() const; ///< all tokens in view
    bool showsAll() const;
    void setRowHeight(double height, double aroundY);
    void zoomChannels(double factor, double aroundX);
    void updateScrollBars();
    void moveCross(const QPoint& cell);
    void ensureVisible(const QPoint& cell);
    bool moveByKey(QKeyEvent* event);
    bool zoomByKey(int key);
    void stepMark(int direction);
    void stepSpike(int direction);
    QString describe(const QPoint& cell) const;

    TokenMapDataPtr m_data;
    TokenMapView m_view;
    mutable TokenMapPainter m_painter;
    bool m_updatingBars = false;
    QPointF m_pressAt;
    TokenMapView m_pressView;
    bool m_pressed = false, m_panning = false;
};

} // namespace qs::ui
