// SPDX-License-Identifier: GPL-3.0-or-later
// ChannelProfilePane: one chart of a channel profile, log y, min/max pooled per pixel column so that no spike
// is lost; other series as lines, pooled by their maximum. Mouse: wheel zooms around the pointer, drag
// selects a range to zoom to, middle drag or Shift+drag pans, click selects a channel, double-click zooms to
// it and lists its values, again to go back. Keys: + and - zoom, 0 all, Left and Right move the selected
// channel (Ctrl: to the next outlier), Enter zooms to it, Escape goes back.
#pragma once

#include "widgets/charts/ChannelProfileData.h"
#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/Picture.h"

#include <QWidget>

namespace qs::ui {

class ChannelProfilePane : public QWidget, public Picture {
    Q_OBJECT
public:
    explicit ChannelProfilePane(QWidget* parent = nullptr);

    void setData(ChannelProfileDataPtr data);
    ChannelProfileDataPtr data() const { return m_data; }
    void setOrder(ChannelOrder order);
    /// Drawn beside absmax where the data has them; p99.9 by default.
    void setSeries(const QVector<ChannelSeries>& series);

    /// Visible ranks [lo, hi), in channels.
    void setRange(double lo, double hi);
    /// Channel under the pointer of a linked pane; -1 for none.
    void setHoverChannel(int channel);
    void setSelectedChannel(int channel);
    int selectedChannel() const { return m_selected; }
    /// A few channels around this one, with a list of its values.
    void zoomToChannel(int channel);
    /// The list of the selected channel's values; hiding it goes back to the range before.
    void setListShown(bool shown);
    bool isListShown() const { return m_listed; }

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override;
    QSize sizeHint() const override { return {460, 240}; }
    QSize minimumSizeHint() const override { return {220, 120}; }

signals:
    void rangeChanged(double lo, double hi);
    void channelHovered(int channel);
    void channelSelected(int channel);
    void listShown(bool shown);

protected:
    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    struct Column {
        float lo, hi;
        int peak; ///< rank of the maximum
    };
    static constexpr double kBesidePlot = 80; ///< px, at most
    PlotAxes axesFor(const QSizeF& size) const;
    QVector<Column> pooled(const AxisMap& x) const;
    void paintContent(QPainter& painter, const QSizeF& size, bool interactive) const;
    void paintHeader(QPainter& painter, const PlotAxes& axes) const;
    void paintEnvelope(QPainter& painter, const PlotAxes& axes) const;
    void paintPoints(QPainter& painter, const PlotAxes& axes) const;
    void paintSeries(QPainter& painter, const PlotAxes& axes, bool points) const;
    QPolygonF seriesLine(const PlotAxes& axes, ChannelSeries series, bool points) const;
    void paintRules(QPainter& painter, const PlotAxes& axes) const;
    void paintOutliers(QPainter& painter, const PlotAxes& axes) const;
    void paintPointer(QPainter& painter, const PlotAxes& axes) const;
    void paintList(QPainter& painter, const PlotAxes& axes) const;
    QVector<LegendEntry> legend() const;
    /// Beside the title where it fits there: then empty.
    QVector<QVector<LegendEntry>> legendBelowTitle(double width) const;
    /// "channel 788" and its values: of what is drawn, or of everything measured.
    QStringList describe(int channel, bool everything) const;
    bool shows(ChannelSeries series) const;
    void paintEmpty(QPainter& painter, const QSizeF& size) const;
    int channelAt(const QPointF& at) const; ///< the pooled column's peak when several channels share a pixel
    int rankOf(int channel) const { return m_rank.isEmpty() ? channel : m_rank[channel]; }
    int channelOf(int rank) const { return m_channelAtRank.isEmpty() ? rank : m_channelAtRank[rank]; }
    float valueAtRank(int rank) const { return m_data->absmax[channelOf(rank)]; }
    void zoomAround(double at, double factor);
    void applyRange(double lo, double hi);
    void selectChannel(int channel);
    void rebuildOrder();
    void rescale(); ///< the y axis, from what is drawn
    void goBack();
    void tellList();
    void stepChannel(int direction, bool toOutlier);
    bool empty() const { return !m_data || m_data->absmax.isEmpty(); }

    ChannelProfileDataPtr m_data;
    ChannelOrder m_order = ChannelOrder::Natural;
    QVector<ChannelSeries> m_series = {ChannelSeries::P999};
    QVector<int> m_rank, m_channelAtRank; ///< empty in natural order
    QVector<int> m_outliersBySize;        ///< largest first
    double m_yLo = 0.1, m_yHi = 1;
    double m_lo = 0, m_hi = 1;
    double m_backLo = 0, m_backHi = 1; ///< range before the list was shown
    bool m_listed = false;
    int m_hover = -1, m_selected = -1;
    QPointF m_pressAt, m_pointer;
    enum class Drag { None, Zoom, Pan } m_drag = Drag::None;
    double m_panLo = 0, m_panHi = 0;
};

} // namespace qs::ui
