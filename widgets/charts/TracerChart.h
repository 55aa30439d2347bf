// SPDX-License-Identifier: GPL-3.0-or-later
// TracerChart: channels followed through the residual stream, log scale, two points per block (behind
// attention, behind the feed-forward half), with the band of all channels, births, deaths and what norms make
// of a channel. Mouse: hover reads a point, click selects a line's channel, double-click opens what wrote
// there. Keys: Left and Right move along, Up and Down change the line, Return opens the writer, Delete takes
// the line away.
#pragma once

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/Picture.h"

#include <QWidget>
#include <memory>
#include <vector>

namespace qs::ui {

struct TracerLine {
    int channel = 0;
    QVector<double> value;  ///< [points] max |x|
    QVector<double> normed; ///< [points] max |x| behind the norm before that half; NaN without one
    int born = -1, dies = -1;
    QString bornText, diesText; ///< "block 1, mlp.down_proj row 788, × 742"
    int amplified = -1;         ///< the point in front of which a norm amplifies it
    QString amplifiedText;
    QColor color() const; ///< by `slot`
    int slot = 0;         ///< kept while the line is shown
};

struct TracerData {
    QString emptyText;
    int blocks = 0,
        pointCount = 0; ///< points: the embedding, two per block, and the final norm when there is one
    QVector<double> bandLow, bandHigh; ///< [points so far] median and 99th percentile over channels
    QVector<double> limit;             ///< [points so far] where a channel counts as massive
    QStringList pointNames, writers;   ///< writers: "" where nothing writes
    std::vector<TracerLine> lines;
    QString yTitle, limitText;
    bool hasFinalNorm() const { return pointCount == 2 * blocks + 2; }
};
using TracerDataPtr = std::shared_ptr<const TracerData>;

class TracerChart : public QWidget, public Picture {
    Q_OBJECT
public:
    static constexpr int kMostLines = 6;

    explicit TracerChart(QWidget* parent = nullptr);
    void setData(TracerDataPtr data);
    TracerDataPtr data() const { return m_data; }
    /// -1 for none. The line drawn strong.
    void setCurrentChannel(int channel);
    int currentChannel() const { return m_current; }
    int currentPoint() const { return m_point; }

    PlotAxes axesFor(const QSizeF& size) const;
    QPointF pointPosition(const PlotAxes& axes, const TracerLine& line, int point) const;
    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override { return QStringLiteral("tracer"); }
    QSize sizeHint() const override { return {640, 240}; }
    QSize minimumSizeHint() const override { return {240, 120}; }

signals:
    void channelSelected(int channel);
    void pointActivated(int point);
    void removeRequested(int channel);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

private:
    bool empty() const { return !m_data || m_data->bandLow.isEmpty(); }
    const TracerLine* lineOf(int channel) const;
    /// (index of a line, point) near `at`; (-1, -1).
    QPoint nearest(const QPointF& at) const;
    void step(int lines, int points);
    QStringList describe(const TracerLine& line, int point) const;

    TracerDataPtr m_data;
    int m_current = -1, m_point = -1;
    QPoint m_hover = {-1, -1};
};

/// The chart without the pointer's marks; `current` is drawn strong.
void paintTracer(QPainter& painter, const TracerData& data, const PlotAxes& axes, int current);

} // namespace qs::ui
