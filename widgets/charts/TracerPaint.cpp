// SPDX-License-Identifier: GPL-3.0-or-later
// The drawing half of TracerChart.
#include "widgets/charts/TracerChart.h"
#include "widgets/theme/Theme.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("qs::ui::TracerChart", text);
}

void paintStripes(QPainter& p, const TracerData& data, const PlotAxes& axes) {
    for (int b = 1; b < data.blocks; b += 2) {
        const double left = axes.x.toPixel(2 * b + 0.5), right = axes.x.toPixel(2 * b + 2.5);
        p.fillRect(QRectF(left, axes.plot.top(), right - left, axes.plot.height()),
                   blend(theme().header, theme().base, 0.55));
    }
}

void paintBand(QPainter& p, const TracerData& data, const PlotAxes& axes) {
    QPolygonF band;
    for (int i = 0; i < data.bandHigh.size(); ++i)
        band << QPointF(axes.x.toPixel(i), axes.y.toPixel(data.bandHigh[i]));
    for (int i = int(data.bandLow.size()) - 1; i >= 0; --i)
        band << QPointF(axes.x.toPixel(i), axes.y.toPixel(data.bandLow[i]));
    p.setPen(Qt::NoPen);
    p.setBrush(theme().original);
    p.drawPolygon(band);
    p.setBrush(Qt::NoBrush);
}

void paintLimit(QPainter& p, const TracerData& data, const PlotAxes& axes) {
    QPolygonF line;
    for (int i = 0; i < data.limit.size(); ++i)
        line << QPointF(axes.x.toPixel(i), axes.y.toPixel(data.limit[i]));
    p.setPen(QPen(theme().outlier, 1, Qt::DashLine));
    p.drawPolyline(line);
    if (line.isEmpty()) return;
    const QFontMetricsF fm(chartFont());
    p.setFont(chartFont());
    p.drawText(QRectF(axes.plot.left(), line.last().y() - fm.height() - 3, line.last().x() - axes.plot.left(),
                      fm.height()),
               Qt::AlignRight, data.limitText);
}

void paintLine(QPainter& p, const TracerLine& line, const PlotAxes& axes, bool strong) {
    const QColor color = line.color();
    QPolygonF path;
    for (int i = 0; i < line.value.size(); ++i)
        path << QPointF(axes.x.toPixel(i), axes.y.toPixel(line.value[i]));
    p.setPen(QPen(color, strong ? 2.2 : 1.4));
    p.drawPolyline(path);
    p.setPen(Qt::NoPen);
    p.setBrush(color);
    for (const QPointF& at : path)
        p.drawEllipse(at, strong ? 2.8 : 2, strong ? 2.8 : 2);
    p.setBrush(Qt::NoBrush);
}

/// What each norm makes of the channel: hollow diamonds half a step before the half that reads it.
void paintNormed(QPainter& p, const TracerLine& line, const PlotAxes& axes) {
    p.setPen(QPen(line.color(), 1.4, Qt::DotLine));
    for (int i = 0; i < line.normed.size(); ++i) {
        if (!(line.normed[i] > 0) || i == 0) continue;
        const QPointF from(axes.x.toPixel(i - 1), axes.y.toPixel(line.value[i - 1]));
        const QPointF at(axes.x.toPixel(i - 0.5), axes.y.toPixel(line.normed[i]));
        p.drawLine(from, at);
        p.save();
        p.setPen(QPen(line.color(), 1.4));
        p.setBrush(theme().base);
        p.drawPolygon(
            QPolygonF({at + QPointF(0, -4), at + QPointF(4, 0), at + QPointF(0, 4), at + QPointF(-4, 0)}));
        p.restore();
    }
}

class Notes {
public:
    Notes(QPainter& p, const PlotAxes& axes) : m_p(p), m_axes(axes), m_fm(chartFont()) {}

    /// Circle at the point, dashed line down, "word text" beside it where there is room.
    void mark(const QPointF& at, const QString& word, const QString& text) {
        m_p.setPen(QPen(theme().outlier, 1, Qt::DashLine));
        m_p.drawLine(QPointF(at.x(), m_axes.plot.top()), QPointF(at.x(), m_axes.plot.bottom()));
        m_p.setPen(QPen(theme().outlier, 1.6));
        m_p.drawEllipse(at, 6, 6);
        write(at, word, text);
    }
    void write(const QPointF& at, const QString& word, const QString& text) {
        QFont bold = chartFont();
        bold.setBold(true);
        const double strong = QFontMetricsF(bold).horizontalAdvance(word);
        const double width = strong + 5 + m_fm.horizontalAdvance(text);
        const bool left = at.x() + 10 + width > m_axes.plot.right();
        QRectF r(left ? at.x() - 10 - width : at.x() + 10, at.y() + 10, width, m_fm.height());
        r.moveLeft(std::max(r.left(), m_axes.plot.left() + 2));
        // Below what is there already; above when the chart ends.
        const auto taken = [&](const QRectF& other) { return other.intersects(r); };
        while (std::any_of(m_taken.begin(), m_taken.end(), taken) &&
               r.bottom() + m_fm.height() < m_axes.plot.bottom())
            r.translate(0, m_fm.height() + 1);
        if (r.bottom() > m_axes.plot.bottom()) r.moveBottom(at.y() - 10);
        m_taken.push_back(r);
        m_p.fillRect(r.adjusted(-2, 0, 2, 0), blend(theme().base, theme().header, 0.8));
        m_p.setPen(theme().outlier);
        m_p.setFont(bold);
        m_p.drawText(QRectF(r.left(), r.top(), strong + 2, r.height()), Qt::AlignLeft, word);
        m_p.setFont(chartFont());
        m_p.drawText(QRectF(r.left() + strong + 5, r.top(), width, r.height()), Qt::AlignLeft, text);
    }

private:
    QPainter& m_p;
    const PlotAxes& m_axes;
    QFontMetricsF m_fm;
    QVector<QRectF> m_taken;
};

void paintNotes(QPainter& p, const TracerData& data, const PlotAxes& axes, int current) {
    Notes notes(p, axes);
    const auto at = [&](const TracerLine& l, int i) {
        return QPointF(axes.x.toPixel(i), axes.y.toPixel(l.value[i]));
    };
    for (const TracerLine& l : data.lines) {
        if (l.channel != current) continue;
        if (l.born >= 0 && l.born < l.value.size()) notes.mark(at(l, l.born), tr("born"), l.bornText);
        if (l.dies >= 0 && l.dies < l.value.size()) notes.mark(at(l, l.dies), tr("dies"), l.diesText);
        if (l.amplified > 0 && l.amplified < l.normed.size() && l.normed[l.amplified] > 0)
            notes.write({axes.x.toPixel(l.amplified - 0.5), axes.plot.top() - 10}, tr("amplified"),
                        l.amplifiedText);
    }
}

void paintEndLabels(QPainter& p, const TracerData& data, const PlotAxes& axes, int current) {
    struct Label {
        double y;
        QString text;
        QColor color;
        bool bold;
    };
    QVector<Label> labels;
    for (const TracerLine& l : data.lines)
        if (!l.value.isEmpty())
            labels.push_back({axes.y.toPixel(l.value.last()), QString::number(l.channel), l.color(),
                              l.channel == current});
    if (!data.bandLow.isEmpty())
        labels.push_back({axes.y.toPixel(std::sqrt(data.bandLow.last() * data.bandHigh.last())),
                          tr("median–p99"), theme().text3, false});
    std::sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.y < b.y; });
    const QFontMetricsF fm(chartFont());
    for (int i = 1; i < labels.size(); ++i)
        labels[i].y = std::max(labels[i].y, labels[i - 1].y + fm.height() - 1);
    double limit = axes.plot.bottom() + 4;
    for (int i = int(labels.size()) - 1; i >= 0; --i) {
        labels[i].y = std::min(labels[i].y, limit);
        limit = labels[i].y - fm.height() + 1;
    }
    for (const Label& l : labels) {
        QFont font = chartFont();
        font.setBold(l.bold);
        p.setFont(font);
        p.setPen(l.color);
        p.drawText(QRectF(axes.plot.right() + 8, l.y - fm.height() / 2, 90, fm.height()), Qt::AlignLeft,
                   l.text);
    }
}

} // namespace

void paintTracer(QPainter& painter, const TracerData& data, const PlotAxes& axes, int current) {
    painter.save();
    paintStripes(painter, data, axes);
    PlotAxes grid = axes;
    grid.xTicks.clear();
    paintGrid(painter, grid);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setClipRect(axes.plot.adjusted(-8, -8, 8, 1));
    paintBand(painter, data, axes);
    paintLimit(painter, data, axes);
    for (const bool strong : {false, true})
        for (const TracerLine& l : data.lines) {
            if ((l.channel == current) != strong) continue;
            if (strong) paintNormed(painter, l, axes);
            paintLine(painter, l, axes, strong);
        }
    paintNotes(painter, data, axes, current);
    painter.setClipping(false);
    paintEndLabels(painter, data, axes, current);
    painter.restore();
    paintAxes(painter, axes);
}

} // namespace qs::ui
