// SPDX-License-Identifier: GPL-3.0-or-later
// ErrorMapWidget: where the error of a quantized matrix is: output channels downwards, groups of inputs to
// the right. Painted as one image; rows (and groups) that share a pixel are pooled by max, so that no bad
// group is lost. Click or arrow keys choose a row and group; Page Up and Down move by a tenth, Home and End
// to the ends.
#pragma once

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/Picture.h"
#include "widgets/theme/ColorMap.h"

#include <QImage>
#include <QVector>
#include <QWidget>
#include <memory>

namespace qs::ui {

struct ErrorMapData {
    int rows = 0, groups = 0;
    int rowStep = 1;          ///< row i of the values is output channel i * rowStep
    int groupSize = 1;        ///< inputs per group
    QVector<float> values;    ///< [rows, groups]; NaN = not defined
    QString valueTitle, unit; ///< "relative error", "%"
    QString valueHint;        ///< for the tooltip: formula, what is good
    QString emptyText;

    bool isConsistent() const {
        return rows >= 0 && groups >= 0 && values.size() == qsizetype(rows) * groups;
    }
};
using ErrorMapDataPtr = std::shared_ptr<const ErrorMapData>;

class ErrorMapWidget : public QWidget, public Picture {
    Q_OBJECT
public:
    explicit ErrorMapWidget(QWidget* parent = nullptr);

    void setData(ErrorMapDataPtr data);
    ErrorMapDataPtr data() const { return m_data; }
    /// Output channel and group; does not emit.
    void setCurrent(int row, int group);
    int currentRow() const { return m_row; }
    int currentGroup() const { return m_group; }
    /// Where a cell is painted, widget coordinates.
    QRectF cellRect(int row, int group) const;

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override { return tr("Where the error is"); }
    QSize sizeHint() const override { return {320, 300}; }
    QSize minimumSizeHint() const override { return {180, 160}; }

signals:
    void groupSelected(int row, int group);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

private:
    struct Cell {
        int row = -1, group = -1; ///< row of the values
    };
    bool empty() const { return !m_data || m_data->values.isEmpty(); }
    PlotAxes axesFor(const QSizeF& size) const;
    /// Colours at `size` pixels at most, one pixel per cell where they fit.
    QImage imageFor(const QSize& size) const;
    void paintContent(QPainter& painter, const QSizeF& size, bool interactive) const;
    /// The largest cell of those that share the pixel.
    Cell cellAt(const QPointF& at) const;
    void select(int row, int group);
    QString describe(const Cell& cell) const;

    ErrorMapDataPtr m_data;
    Normalization m_scale;
    int m_row = -1, m_group = -1;
    mutable QImage m_image; ///< of the widget's size; null after a change
    mutable QSize m_imageFor;
};

} // namespace qs::ui
