// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/ChannelProfilePane.h"
#include "widgets/theme/Theme.h"

#include <QPaintEvent>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kSpikeWidth = 6, kTriangle = 4.5;

QFont boldChartFont() {
    QFont font = chartFont();
    font.setBold(true);
    return font;
}

LegendEntry::Mark legendMark(Qt::PenStyle line) {
    return line == Qt::DashLine      ? LegendEntry::DashedLine
           : line == Qt::DashDotLine ? LegendEntry::DashDottedLine
           : line == Qt::DotLine     ? LegendEntry::DottedLine
                                     : LegendEntry::Line;
}

void paintTriangle(QPainter& p, const QPointF& tip, const QColor& color) {
    p.setPen(Qt::NoPen);
    p.setBrush(color);
    p.drawPolygon(QPolygonF(
        {tip, tip + QPointF(-kTriangle, -kTriangle * 1.7), tip + QPointF(kTriangle, -kTriangle * 1.7)}));
}

} // namespace

void ChannelProfilePane::paintEvent(QPaintEvent* event) {
    QPainter p(this);
    p.fillRect(event->rect(), theme().base);
    paintContent(p, QSizeF(size()), true);
}

void ChannelProfilePane::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    paintContent(painter, QSizeF(size), false);
}

void ChannelProfilePane::paintContent(QPainter& painter, const QSizeF& size, bool interactive) const {
    if (empty()) {
        paintEmpty(painter, size);
        return;
    }
    painter.save();
    painter.setFont(chartFont());
    const PlotAxes axes = axesFor(size);
    paintGrid(painter, axes);
    painter.save();
    painter.setClipRect(axes.plot.adjusted(1, 0, 0, 0), Qt::IntersectClip);
    const bool points = axes.plot.width() / (m_hi - m_lo) >= 3; // px per channel
    if (!points) paintEnvelope(painter, axes);
    paintSeries(painter, axes, points);
    if (points) paintPoints(painter, axes);
    paintRules(painter, axes);
    painter.restore();
    paintAxes(painter, axes);
    paintOutliers(painter, axes);
    paintHeader(painter, axes);
    if (interactive) paintPointer(painter, axes);
    if (m_listed && m_selected >= 0) paintList(painter, axes);
    painter.restore();
}

QVector<LegendEntry> ChannelProfilePane::legend() const {
    const Theme& t = theme();
    QVector<LegendEntry> entries = {{tr("absmax"), t.data, LegendEntry::Line}};
    for (const ChannelSeries s : kChannelSeries) {
        if (!shows(s)) continue;
        const ChannelSeriesInfo info = channelSeriesInfo(s);
        entries.push_back({info.label, info.color, legendMark(info.line)});
    }
    if (m_data->median > 0) entries.push_back({tr("median"), t.text3, LegendEntry::DottedLine});
    return entries;
}

QVector<QVector<LegendEntry>> ChannelProfilePane::legendBelowTitle(double width) const {
    if (empty()) return {};
    const QVector<LegendEntry> entries = legend();
    const double title = QFontMetricsF(boldChartFont()).horizontalAdvance(m_data->title);
    if (title + 16 + legendWidth(entries) <= width) return {};
    return legendRows(entries, width);
}

void ChannelProfilePane::paintHeader(QPainter& painter, const PlotAxes& axes) const {
    const QFontMetricsF fm(boldChartFont());
    QRectF row(axes.plot.left(), 3, axes.plot.width(), fm.height() + 2);
    painter.setFont(boldChartFont());
    painter.setPen(theme().text);
    painter.drawText(row, Qt::AlignLeft | Qt::AlignVCenter,
                     fm.elidedText(m_data->title, Qt::ElideRight, row.width()));
    const auto below = legendBelowTitle(axes.plot.width());
    if (below.isEmpty()) paintLegend(painter, row, legend());
    for (const auto& entries : below) {
        row.translate(0, fm.height());
        paintLegend(painter, row, entries);
    }
    painter.setFont(chartFont());
}

void ChannelProfilePane::paintEnvelope(QPainter& painter, const PlotAxes& axes) const {
    const Theme& t = theme();
    const QVector<Column> columns = pooled(axes.x);
    const QColor fill = blend(t.data, t.base, m_series.isEmpty() ? 0.78 : 0.72);
    // Joined to the previous column, as an audio editor draws a wave: the band has no holes.
    double lastTop = NAN, lastBottom = NAN;
    for (int i = 0; i < columns.size(); ++i) {
        const Column& c = columns[i];
        if (c.peak < 0) continue;
        double top = axes.y.toPixel(c.hi),
               bottom = std::min(axes.y.toPixel(std::max(double(c.lo), m_yLo)), axes.plot.bottom());
        const double rawTop = top, rawBottom = bottom;
        if (!std::isnan(lastTop)) {
            if (bottom < lastTop) bottom = lastTop;
            if (top > lastBottom) top = lastBottom;
        }
        painter.fillRect(QRectF(axes.plot.left() + i, top, 1, std::max(1.0, bottom - top)), fill);
        lastTop = rawTop;
        lastBottom = rawBottom;
    }
    // A spike keeps at least 6 px of width at any zoom: a soft flank around its one exact column.
    QColor flank = t.data;
    flank.setAlphaF(0.30f);
    for (const int channel : m_outliersBySize) {
        const double x = axes.x.toPixel(rankOf(channel) + 0.5);
        if (x < axes.plot.left() || x > axes.plot.right()) continue;
        const double top = axes.y.toPixel(m_data->absmax[channel]);
        const double foot = m_data->median > 0 ? axes.y.toPixel(m_data->median) : axes.plot.bottom();
        painter.fillRect(QRectF(std::round(x - kSpikeWidth / 2), top, kSpikeWidth, std::max(1.0, foot - top)),
                         flank);
        painter.fillRect(QRectF(std::round(x - 1), top, 2, std::max(1.0, foot - top)),
                         blend(t.data, t.base, 0.8));
    }
}

/// One point per channel, or per pixel column the largest of its channels.
QPolygonF ChannelProfilePane::seriesLine(const PlotAxes& axes, ChannelSeries series, bool points) const {
    const QVector<float>& values = m_data->values(series);
    const int first = std::max(0, int(m_lo) - (points ? 1 : 0)),
              last = std::min(m_data->channels(), int(std::ceil(m_hi)) + (points ? 1 : 0));
    QPolygonF line;
    int column = -1;
    for (int rank = first; rank < last; ++rank) {
        const double v = std::fabs(double(values[channelOf(rank)]));
        if (!(v > 0)) continue;
        const double x = axes.x.toPixel(rank + 0.5), y = axes.y.toPixel(v);
        if (points) {
            line.push_back({x, y});
        } else if (int(x) != column) {
            column = int(x);
            line.push_back({column + 0.5, y});
        } else {
            line.back().setY(std::min(line.back().y(), y));
        }
    }
    return line;
}

void ChannelProfilePane::paintSeries(QPainter& painter, const PlotAxes& axes, bool points) const {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const bool dots = points && axes.plot.width() / (m_hi - m_lo) >= 7;
    // The smaller ones last: a mean below a percentile stays visible where they meet.
    for (const ChannelSeries s : kChannelSeries) {
        if (!shows(s)) continue;
        const ChannelSeriesInfo info = channelSeriesInfo(s);
        const QPolygonF line = seriesLine(axes, s, points);
        const double width = info.line == Qt::SolidLine ? 1 : info.line == Qt::DotLine ? 2 : 1.5;
        painter.setPen(QPen(info.color, width, info.line, Qt::FlatCap));
        painter.setBrush(Qt::NoBrush);
        painter.drawPolyline(line);
        if (!dots) continue;
        painter.setBrush(info.color);
        painter.setPen(Qt::NoPen);
        for (const QPointF& p : line)
            painter.drawEllipse(p, 2, 2);
    }
    painter.restore();
}

void ChannelProfilePane::paintPoints(QPainter& painter, const PlotAxes& axes) const {
    const Theme& t = theme();
    const int first = std::max(0, int(m_lo) - 1),
              last = std::min(m_data->channels(), int(std::ceil(m_hi)) + 1);
    QPolygonF line;
    for (int rank = first; rank < last; ++rank)
        if (const double v = valueAtRank(rank); v > 0)
            line.push_back({axes.x.toPixel(rank + 0.5), axes.y.toPixel(v)});
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(t.data, 1.5, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    painter.drawPolyline(line);
    if (axes.plot.width() / (m_hi - m_lo) >= 7) {
        painter.setBrush(t.data);
        painter.setPen(Qt::NoPen);
        for (const QPointF& p : line)
            painter.drawEllipse(p, 2.5, 2.5);
    }
    painter.restore();
}

void ChannelProfilePane::paintRules(QPainter& painter, const PlotAxes& axes) const {
    const Theme& t = theme();
    if (m_data->median > 0) {
        const double y = std::round(axes.y.toPixel(m_data->median));
        for (double x = axes.plot.left(); x < axes.plot.right(); x += 3)
            painter.fillRect(QRectF(x, y, 1, 1), t.text);
    }
    if (!(m_data->ruleThreshold > 0)) return;
    const double y = std::round(axes.y.toPixel(m_data->ruleThreshold));
    if (y < axes.plot.top()) return;
    for (double x = axes.plot.left(); x < axes.plot.right(); x += 9)
        painter.fillRect(QRectF(x, y, 6, 1), t.outlier);
    const QFontMetricsF fm(chartFont());
    painter.setPen(t.outlier);
    const QRectF label(axes.plot.left() + 6, y - fm.height() - 1, fm.horizontalAdvance(m_data->ruleLabel) + 4,
                       fm.height());
    painter.drawText(label, Qt::AlignLeft | Qt::AlignVCenter, m_data->ruleLabel);
}

void ChannelProfilePane::paintOutliers(QPainter& painter, const PlotAxes& axes) const {
    const Theme& t = theme();
    const QFontMetricsF fm(boldChartFont());
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setFont(boldChartFont());
    QVector<QRectF> taken;
    if (m_data->ruleThreshold > 0) {
        const double y = axes.y.toPixel(m_data->ruleThreshold);
        taken.push_back(QRectF(axes.plot.left(), y - fm.height() - 1,
                               10 + fm.horizontalAdvance(m_data->ruleLabel), fm.height()));
    }
    QVector<QPair<int, QPointF>> tips;
    for (const int channel : m_outliersBySize) {
        const double x = axes.x.toPixel(rankOf(channel) + 0.5);
        if (x < axes.plot.left() - 0.5 || x > axes.plot.right() + 0.5) continue;
        const QPointF tip(
            x, std::max(axes.y.toPixel(m_data->absmax[channel]) - 3, axes.plot.top() + kTriangle * 1.7));
        if (tips.size() < 400) tips.push_back({channel, tip});
        // No label across another channel's spike.
        taken.push_back(QRectF(x - 1, tip.y(), 2, std::max(1.0, axes.plot.bottom() - tip.y())));
        taken.push_back(QRectF(tip.x() - kTriangle, tip.y() - kTriangle * 2, kTriangle * 2, kTriangle * 2));
    }
    for (const auto& [channel, tip] : tips)
        paintTriangle(painter, tip, t.outlier);
    painter.setPen(t.outlier);
    for (const auto& [channel, tip] : tips) {
        const QString text = QString::number(channel);
        const double w = fm.horizontalAdvance(text);
        const double y = tip.y() - kTriangle - fm.height() / 2 + 1;
        const QRectF candidates[] = {{tip.x() - kTriangle - 4 - w, y, w, fm.height()},
                                     {tip.x() + kTriangle + 4, y, w, fm.height()},
                                     {tip.x() - w / 2, y - fm.height() + 1, w, fm.height()}};
        for (const QRectF& r : candidates) {
            const bool outside = r.left() < axes.plot.left() + 2 || r.right() > axes.plot.right() + 16 ||
                                 r.top() < axes.plot.top() - 4;
            const auto touches = [&](const QRectF& o) { return o.adjusted(-2, -1, 2, 1).intersects(r); };
            if (outside || std::any_of(taken.begin(), taken.end(), touches)) continue;
            painter.drawText(r.adjusted(-1, 0, 1, 0), Qt::AlignCenter, text);
            taken.push_back(r);
            break;
        }
    }
    painter.restore();
}

void ChannelProfilePane::paintPointer(QPainter& painter, const PlotAxes& axes) const {
    const Theme& t = theme();
    if (m_drag == Drag::Zoom && std::abs(m_pointer.x() - m_pressAt.x()) >= 5) {
        QColor tint = t.accent;
        tint.setAlphaF(0.14f);
        const double x0 = std::clamp(m_pressAt.x(), axes.plot.left(), axes.plot.right());
        const double x1 = std::clamp(m_pointer.x(), axes.plot.left(), axes.plot.right());
        painter.fillRect(QRectF(std::min(x0, x1), axes.plot.top(), std::abs(x1 - x0), axes.plot.height()),
                         tint);
    }
    const auto line = [&](int channel, const QColor& color) {
        const double x = axes.x.toPixel(rankOf(channel) + 0.5);
        if (x < axes.plot.left() || x > axes.plot.right()) return;
        painter.fillRect(QRectF(std::round(x), axes.plot.top(), 1, axes.plot.height()), color);
    };
    if (m_selected >= 0) {
        line(m_selected, t.accent);
        const double x = axes.x.toPixel(rankOf(m_selected) + 0.5), v = m_data->absmax[m_selected];
        if (v > 0 && x >= axes.plot.left() && x <= axes.plot.right()) {
            painter.setRenderHint(QPainter::Antialiasing);
            painter.setPen(QPen(t.base, 1.5));
            painter.setBrush(t.accent);
            painter.drawEllipse(QPointF(x, axes.y.toPixel(v)), 4, 4);
            painter.setRenderHint(QPainter::Antialiasing, false);
        }
    }
    if (hasFocus()) {
        painter.setPen(QPen(t.accent, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -1.5, -1.5));
    }
    if (m_hover < 0) return;
    line(m_hover, t.text3);
    const double v = m_data->absmax[m_hover];
    const QPointF at(axes.x.toPixel(rankOf(m_hover) + 0.5),
                     v > 0 ? axes.y.toPixel(v) : axes.plot.center().y());
    paintReadout(painter, at, axes.plot, describe(m_hover, false));
}

/// In the corner that the channel is not in.
void ChannelProfilePane::paintList(QPainter& painter, const PlotAxes& axes) const {
    const bool right = axes.x.toPixel(rankOf(m_selected) + 0.5) > axes.plot.center().x() + 1;
    const QRectF bounds = axes.plot.adjusted(6, 6, -6, -6);
    paintReadout(painter, right ? bounds.topLeft() - QPointF(12, 0) : bounds.topRight() + QPointF(12, 0),
                 bounds, describe(m_selected, true));
}

void ChannelProfilePane::paintEmpty(QPainter& painter, const QSizeF& size) const {
    const Theme& t = theme();
    painter.save();
    const QRectF r(12, 12, size.width() - 24, size.height() - 24);
    if (m_data && !m_data->title.isEmpty()) {
        painter.setFont(boldChartFont());
        painter.setPen(t.text);
        painter.drawText(QRectF(12, 3, r.width(), QFontMetricsF(boldChartFont()).height() + 2),
                         Qt::AlignLeft | Qt::AlignVCenter, m_data->title);
    }
    painter.setFont(bodyFont());
    painter.setPen(t.text3);
    painter.drawText(r, Qt::AlignCenter | Qt::TextWordWrap,
                     m_data && !m_data->emptyText.isEmpty() ? m_data->emptyText
                                                            : tr("No tensor is selected."));
    painter.restore();
}

} // namespace qs::ui
