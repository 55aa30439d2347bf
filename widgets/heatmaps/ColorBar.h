// SPDX-License-Identifier: GPL-3.0-or-later
// The legend of a colour map: bar, ticks, unit, and "<" or ">" at an end that values pass.
#pragma once

#include "widgets/heatmaps/HeatMapData.h"

#include <QWidget>

namespace qs::ui {

struct ColorBarSpec {
    Normalization normalization;
    QString title; ///< "% (log)"
    bool anyBelow = false, anyAbove = false;
    bool valid = false;

    static ColorBarSpec of(const HeatMapData& data, bool withValueTitle);
};

/// Paints a bar of `barWidth` px with its tick labels below and the title at its right; `at` is the bar's top
/// left.
void paintColorBar(QPainter& painter, const QPointF& at, double barWidth, const ColorBarSpec& spec);
/// Width the title needs beside the bar, gap included.
double colorBarTitleWidth(const ColorBarSpec& spec);

/// The same as a widget of its own, for a tool row.
class ColorBar : public QWidget {
    Q_OBJECT
public:
    explicit ColorBar(QWidget* parent = nullptr);
    void setSpec(const ColorBarSpec& spec);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    ColorBarSpec m_spec;
};

} // namespace qs::ui
