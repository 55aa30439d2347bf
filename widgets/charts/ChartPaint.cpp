// SPDX-License-Identifier: GPL-3.0-or-later
// The drawing half of ChartAxis.h: grid, axes, readout, legend.
#include "widgets/charts/ChartAxis.h"
#include "widgets/theme/Theme.h"

#include <cmath>

namespace qs::ui {

namespace {
constexpr double kTick = 4, kLabelGap = 3, kLegendGap = 12;

double labelsWidth(const QVector<AxisTick>& ticks, const QFontMetricsF& fm) {
    double width = 0;
    for (const AxisTick& t : ticks)
        width = std::max(width, fm.horizontalAdvance(t.label));
    return width;
}

void paintBottomAxis(QPainter& p, const PlotAxes& axes, const QFontMetricsF& fm) {
    const Theme& t = theme();
    const double y = axes.plot.bottom();
    double occupied = -1e9;
    for (const AxisTick& tick : axes.xTicks) {
        const double x = axes.x.toPixel(tick.value);
        if (x < axes.plot.left() - 0.5 || x > axes.plot.right() + 0.5) continue;
        p.fillRect(QRectF(std::round(x), y, 1, tick.label.isEmpty() ? kTick - 1 : kTick), t.strongBorder);
        const double w = fm.horizontalAdvance(tick.label);
        if (tick.label.isEmpty() || x - w / 2 < occupied) continue;
        p.setPen(t.text2);
        p.drawText(QRectF(x - w / 2 - 2, y + kTick, w + 4, fm.height()), Qt::AlignCenter, tick.label);
        occupied = x + w / 2 + 8;
    }
    if (axes.xTitle.isEmpty()) return;
    p.setPen(t.text2);
    const QRectF r(axes.plot.left(), y + kTick + fm.height() + 1, axes.plot.width(), fm.height());
    p.drawText(r, Qt::AlignCenter, fm.elidedText(axes.xTitle, Qt::ElideRight, r.width() + 80));
}

void paintLeftAxis(QPainter& p, const PlotAxes& axes, const QFontMetricsF& fm) {
    const Theme& t = theme();
    const double x = axes.plot.left();
    double occupied = 1e9;
    for (const AxisTick& tick : axes.yTicks) {
        const double y = axes.y.toPixel(tick.value);
        if (y < axes.plot.top() - 0.5 || y > axes.plot.bottom() + 0.5) continue;
        p.fillRect(QRectF(x - kTick, std::round(y), kTick, 1), t.strongBorder);
        if (tick.label.isEmpty() || y + fm.height() / 2 > occupied) continue;
        p.setPen(t.text2);
        p.drawText(QRectF(x - kTick - kLabelGap - 120, y - fm.height() / 2, 120, fm.height()),
                   Qt::AlignRight | Qt::AlignVCenter, tick.label);
        occupied = y - fm.height() / 2 + 1;
    }
    if (axes.yTitle.isEmpty()) return;
    p.save();
    const double left = x - kTick - kLabelGap - labelsWidth(axes.yTicks, fm) - 4 - fm.height();
    p.translate(left + fm.height() / 2, axes.plot.center().y());
    p.rotate(-90);
    QFont upright = p.font();
    upright.setHintingPreference(QFont::PreferNoHinting); // hinted advances leave gaps once rotated
    p.setFont(upright);
    const double room = axes.plot.height() + 24;
    p.setPen(t.text2);
    p.drawText(QRectF(-room / 2, -fm.height() / 2, room, fm.height()), Qt::AlignCenter,
               fm.elidedText(axes.yTitle, Qt::ElideRight, room));
    p.restore();
}

double legendEntryWidth(const LegendEntry& e, const QFontMetricsF& fm) {
    return 19 + fm.horizontalAdvance(e.text);
}

void paintLegendMark(QPainter& p, const QRectF& r, const LegendEntry& e) {
    const double y = std::round(r.center().y());
    switch (e.mark) {
    case LegendEntry::Line:
        p.fillRect(QRectF(r.left(), y - 1, 14, 2), e.color);
        break;
    case LegendEntry::DottedLine:
        for (int i = 0; i < 3; ++i)
            p.fillRect(QRectF(r.left() + 1 + i * 5, y - 1, 2, 2), e.color);
        break;
    case LegendEntry::DashedLine:
        p.fillRect(QRectF(r.left(), y - 0.5, 6, 1.5), e.color);
        p.fillRect(QRectF(r.left() + 8, y - 0.5, 6, 1.5), e.color);
        break;
    case LegendEntry::DashDottedLine:
        p.fillRect(QRectF(r.left(), y - 0.5, 7, 1.5), e.color);
        p.fillRect(QRectF(r.left() + 10, y - 0.5, 2, 1.5), e.color);
        break;
    case LegendEntry::Fill:
        p.fillRect(QRectF(r.left(), y - 4, 12, 8), e.color);
        break;
    case LegendEntry::Bar:
        p.fillRect(QRectF(r.left() + 5, y - 5, 4, 10), e.color);
        break;
    case LegendEntry::Band:
        p.fillRect(QRectF(r.left(), y - 5, 14, 10), blend(e.color, theme().base, 0.25));
        break;
    }
}

} // namespace

double leftAxisWidth(const QVector<AxisTick>& ticks, bool title) {
    const QFontMetricsF fm(chartFont());
    return std::ceil(labelsWidth(ticks, fm) + kTick + kLabelGap + 4 + (title ? fm.height() + 4 : 0));
}

double bottomAxisHeight(bool title) {
    const QFontMetricsF fm(chartFont());
    return std::ceil(kTick + fm.height() + 2 + (title ? fm.height() + 1 : 0));
}

void paintGrid(QPainter& painter, const PlotAxes& axes) {
    const Theme& t = theme();
    for (const AxisTick& tick : axes.xTicks) {
        const double x = std::round(axes.x.toPixel(tick.value));
        if (x > axes.plot.left() + 1 && x < axes.plot.right() + 0.5)
            painter.fillRect(QRectF(x, axes.plot.top(), 1, axes.plot.height()), t.grid);
    }
    if (!axes.showY) return;
    for (const AxisTick& tick : axes.yTicks) {
        const double y = std::round(axes.y.toPixel(tick.value));
        if (y > axes.plot.top() - 0.5 && y < axes.plot.bottom() - 1)
            painter.fillRect(QRectF(axes.plot.left(), y, axes.plot.width(), 1), t.grid);
    }
}

void paintAxes(QPainter& painter, const PlotAxes& axes) {
    const Theme& t = theme();
    painter.save();
    painter.setFont(chartFont());
    const QFontMetricsF fm(chartFont());
    painter.fillRect(QRectF(axes.plot.left(), axes.plot.bottom(), axes.plot.width() + 1, 1), t.text3);
    if (axes.showY) {
        painter.fillRect(QRectF(axes.plot.left(), axes.plot.top(), 1, axes.plot.height() + 1), t.text3);
        paintLeftAxis(painter, axes, fm);
    }
    paintBottomAxis(painter, axes, fm);
    painter.restore();
}

void paintReadout(QPainter& painter, const QPointF& anchor, const QRectF& bounds, const QStringList& lines) {
    if (lines.isEmpty()) return;
    const Theme& t = theme();
    painter.save();
    painter.setFont(chartFont());
    const QFontMetricsF fm(chartFont());
    double width = 0;
    for (const QString& line : lines)
        width = std::max(width, fm.horizontalAdvance(line));
    QRectF r(anchor.x() + 12, anchor.y() - fm.height() * lines.size() - 12, width + 14,
             fm.height() * lines.size() + 8);
    if (r.right() > bounds.right()) r.moveRight(anchor.x() - 12);
    if (r.left() < bounds.left()) r.moveLeft(bounds.left());
    if (r.top() < bounds.top()) r.moveTop(bounds.top());
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(t.strongBorder, 1));
    painter.setBrush(t.base);
    painter.drawRoundedRect(QRectF(r.toAlignedRect()).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
    double y = r.top() + 4;
    for (int i = 0; i < lines.size(); ++i, y += fm.height()) {
        painter.setPen(i == 0 ? t.text : t.text2);
        painter.drawText(QRectF(r.left() + 7, y, width + 2, fm.height()), Qt::AlignLeft | Qt::AlignVCenter,
                         lines[i]);
    }
    painter.restore();
}

double legendWidth(const QVector<LegendEntry>& entries) {
    const QFontMetricsF fm(chartFont());
    double width = entries.isEmpty() ? 0 : -kLegendGap;
    for (const LegendEntry& e : entries)
        width += legendEntryWidth(e, fm) + kLegendGap;
    return width;
}

QVector<QVector<LegendEntry>> legendRows(const QVector<LegendEntry>& entries, double width) {
    QVector<QVector<LegendEntry>> rows;
    for (const LegendEntry& e : entries) {
        if (rows.isEmpty() || legendWidth(rows.back() + QVector<LegendEntry>{e}) > width) rows.push_back({});
        rows.back().push_back(e);
    }
    return rows;
}

double paintLegend(QPainter& painter, const QRectF& rect, const QVector<LegendEntry>& entries) {
    painter.save();
    painter.setFont(chartFont());
    const QFontMetricsF fm(chartFont());
    int first = 0;
    double width = legendWidth(entries);
    while (first < entries.size() && width > rect.width())
        width -= legendEntryWidth(entries[first++], fm) + kLegendGap;
    double x = rect.right() - width;
    for (int i = first; i < entries.size(); ++i) {
        const double w = legendEntryWidth(entries[i], fm);
        paintLegendMark(painter, QRectF(x, rect.top(), 14, rect.height()), entries[i]);
        painter.setPen(theme().text2);
        painter.drawText(QRectF(x + 18, rect.top(), w, rect.height()), Qt::AlignLeft | Qt::AlignVCenter,
                         entries[i].text);
        x += w + kLegendGap;
    }
    painter.restore();
    return first < entries.size() ? width : 0;
}

} // namespace qs::ui
