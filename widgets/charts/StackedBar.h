// SPDX-License-Identifier: GPL-3.0-or-later
// StackedBar: parts of one sum beside each other on an axis, with a legend that says each value, and what the
// sum is to keep to. Mouse: hover reads a part. Keys: Left and Right go through the parts.
#pragma once

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/Picture.h"

#include <QWidget>
#include <memory>
#include <optional>

namespace qs::ui {

struct StackedBarPart {
    QString name;
    double value = 0;       ///< at least 0
    double uncertainty = 0; ///< give or take; a whisker at the part's end when above 0
    QString help;           ///< how the value comes about
};

struct StackedBarData {
    QString title;                 ///< what the sum is of
    QString unit;                  ///< "MiB"
    QString emptyText;             ///< shown when there are no parts: what to do
    QVector<StackedBarPart> parts; ///< at most kMostParts
    std::optional<double> target;  ///< a line across
    double total() const;
};
using StackedBarDataPtr = std::shared_ptr<const StackedBarData>;

class StackedBar : public QWidget, public Picture {
    Q_OBJECT
public:
    static constexpr int kMostParts = 6;

    /// `name`: of the file of a saved picture.
    explicit StackedBar(const QString& name, const QString& accessibleName, QWidget* parent = nullptr);
    void setData(StackedBarDataPtr data);
    StackedBarDataPtr data() const { return m_data; }
    /// -1 for none.
    int currentPart() const { return m_current; }
    /// Where a part lies in a picture of this size.
    QRectF partRect(int part, const QSizeF& size) const;
    int partAt(const QPointF& position) const;

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override { return m_name; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {160, sizeHint().height()}; }

protected:
    void paintEvent(QPaintEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    bool event(QEvent* event) override;

private:
    PlotAxes axesFor(const QSizeF& size) const;
    void paintParts(QPainter& painter, const PlotAxes& axes) const;
    void paintTarget(QPainter& painter, const PlotAxes& axes) const;
    void setCurrent(int part);
    QStringList readout(int part) const;

    QString m_name;
    StackedBarDataPtr m_data;
    int m_current = -1;
};

} // namespace qs::ui
