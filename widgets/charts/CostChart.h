// SPDX-License-Identifier: GPL-3.0-or-later
// CostChart: damage on a logarithmic scale, against size or against what was predicted: a line of the best
// that can be had, marks beside it, the place where one is and a target. Mouse: hover reads a mark, click
// activates it. Keys: Left and Right walk through the marks, Return activates.
#pragma once

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/Picture.h"

#include <QPointF>
#include <QWidget>
#include <memory>
#include <optional>

namespace qs::ui {

struct CostMark {
    enum Kind { Preset, Option, Measured, Run, Current };
    Kind kind = Preset;
    double x = 0, y = 0;      ///< y > 0: others cannot be shown on this scale and are left out
    QString label;            ///< beside the mark; may be empty
    QStringList readout;      ///< under the pointer
    double low = 0, high = 0; ///< a whisker where high > low > 0
};

struct CostBandPoint {
    double x = 0, low = 0, high = 0; ///< 0 < low <= high
};

struct CostChartData {
    QString emptyText;
    QString xTitle, yTitle;
    QVector<QPointF> line; ///< ascending x
    QString lineLabel;
    QVector<CostBandPoint> band; ///< ascending x, filled behind the line
    QString bandLabel;
    QVector<CostMark> marks;
    QString markLabels[5];         ///< legend, by kind; "" leaves it out
    std::optional<double> targetX; ///< a vertical line
    QString targetLabel;
    bool xLog = false;     ///< every x > 0
    QString diagonalLabel; ///< draws y = x with this in the legend; "": does not

    bool isEmpty() const { return line.isEmpty() && marks.isEmpty(); }
};
using CostChartDataPtr = std::shared_ptr<const CostChartData>;

class CostChart : public QWidget, public Picture {
    Q_OBJECT
public:
    /// `name`: of the file of a saved picture.
    explicit CostChart(const QString& name, const QString& accessibleName, QWidget* parent = nullptr);

    void setData(CostChartDataPtr data);
    CostChartDataPtr data() const { return m_data; }
    /// Index into the marks under the pointer or the keys, -1 when there is none.
    int currentMark() const { return m_hover >= 0 ? m_hover : m_current; }
    QPointF markPosition(int mark) const;

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override { return m_name; }
    QSize sizeHint() const override { return {520, 260}; }
    QSize minimumSizeHint() const override { return {220, 140}; }

signals:
    void markActivated(int mark);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

private:
    bool isEmpty() const { return !m_data || m_data->isEmpty(); }
    PlotAxes axesFor(const QSizeF& size) const;
    int nearest(const QPointF& at) const;
    void setCurrent(int mark);

    QString m_name;
    CostChartDataPtr m_data;
    int m_hover = -1, m_current = -1;
};

} // namespace qs::ui
