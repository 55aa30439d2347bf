// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/HistogramWidget.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPaintEvent>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kFloor = 0.5; // of the log axis, so that a bin of one value is seen

quint64 largest(const QVector<quint64>& counts) {
    return counts.isEmpty() ? 0 : *std::max_element(counts.begin(), counts.end());
}

QFont boldChartFont() {
    QFont font = chartFont();
    font.setBold(true);
    return font;
}

} // namespace

HistogramWidget::HistogramWidget(QWidget* parent) : QWidget(parent) {
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Histogram"));
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void HistogramWidget::setData(HistogramDataPtr data) {
    if (data && !data->isConsistent()) data.reset();
    const bool same = m_data && data && m_data->lo == data->lo && m_data->hi == data->hi;
    m_data = std::move(data);
    if (!same && m_data) {
        m_lo = m_data->lo;
        m_hi = m_data->hi;
    }
    if (m_data && !m_data->title.isEmpty()) setAccessibleName(m_data->title);
    m_hover = -1;
    update();
}

void HistogramWidget::setLogY(bool log) {
    if (log == m_log) return;
    m_log = log;
    update();
    emit logYChanged(log);
}

void HistogramWidget::setBeforeVisible(bool visible) {
    m_showBefore = visible;
    update();
}

void HistogramWidget::setAfterVisible(bool visible) {
    m_showAfter = visible;
    update();
}

void HistogramWidget::setCompact(bool compact) {
    m_compact = compact;
    updateGeometry();
    update();
}

void HistogramWidget::setRange(double lo, double hi) {
    if (empty()) return;
    const double full = m_data->hi - m_data->lo;
    const double span = std::clamp(hi - lo, std::min(full, m_data->binWidth() * 4), full);
    m_lo = std::clamp(lo, m_data->lo, m_data->hi - span);
    m_hi = m_lo + span;
    update();
}

void HistogramWidget::applyRange(double lo, double hi) {
    const double before = m_lo, beforeHi = m_hi;
    setRange(lo, hi);
    if (before != m_lo || beforeHi != m_hi) emit rangeChanged(m_lo, m_hi);
}

PlotAxes HistogramWidget::axesFor(const QSizeF& size) const {
    PlotAxes a;
    const QFontMetricsF fm(chartFont());
    const double top = m_compact ? 4 : fm.height() + (m_clip.shown ? 30 : 12);
    const double bottom = bottomAxisHeight(!m_compact || !m_data->xTitle.isEmpty()) + 3;
    const double height = std::max(10.0, size.height() - top - bottom);
    quint64 most = 1;
    if (m_showBefore) most = std::max(most, largest(m_data->before));
    if (m_showAfter) most = std::max(most, largest(m_data->after));
    const HistogramData::Outline& o = m_data->outline;
    if (!o.counts.isEmpty() && o.lo < o.hi)
        most = std::max(most, quint64(double(largest(o.counts)) * m_data->binWidth() *
                                      double(o.counts.size()) / (o.hi - o.lo)));
    const double yHi = m_log ? double(most) * 1.6 : double(most) * 1.06;
    a.showY = !m_compact;
    const int maxTicks = std::clamp(int(height / 30), 2, 7);
    a.yTicks = m_log ? logTicks(kFloor, yHi, maxTicks) : linearTicks(0, yHi, maxTicks);
    for (AxisTick& tick : a.yTicks)
        tick.label = formatCount(tick.value);
    const double left = m_compact ? 14 : 8 + leftAxisWidth(a.yTicks, true);
    a.plot =
        QRectF(std::round(left), std::round(top),
               std::floor(std::max(10.0, size.width() - left - (m_compact ? 14 : 20))), std::floor(height));
    a.x = {m_lo, m_hi, a.plot.left(), a.plot.right(), false};
    a.y = {m_log ? kFloor : 0.0, yHi, a.plot.bottom(), a.plot.top(), m_log};
    a.xTicks = linearTicks(m_lo, m_hi, std::clamp(int(a.plot.width() / 48), 2, 9));
    a.xTitle = m_data->xTitle;
    if (!m_compact) a.yTitle = m_log ? tr("count (log, floor %1)").arg(formatNumber(kFloor, 1)) : tr("count");
    return a;
}

double HistogramWidget::top(const PlotAxes& axes, double count) const {
    return count > 0 ? std::max(axes.y.toPixel(count), axes.plot.top()) : axes.plot.bottom();
}

bool HistogramWidget::spikes() const {
    int used = 0;
    for (const quint64 c : m_data->after)
        used += c > 0;
    return used <= 64 && used * 4 <= m_data->bins();
}

void HistogramWidget::paintBars(QPainter& painter, const PlotAxes& axes, const QVector<quint64>& counts,
                                bool after) const {
    const Theme& t = theme();
    const double bottom = axes.plot.bottom();
    if (after && spikes()) {
        for (int i = 0; i < counts.size(); ++i) {
            if (counts[i] == 0) continue;
            const double x = axes.x.toPixel(m_data->lo + (i + 0.5) * m_data->binWidth());
            const double y = top(axes, double(counts[i]));
            painter.fillRect(QRectF(std::round(x) - 2, y, 4, bottom - y), t.data);
        }
        return;
    }
    const int width = int(axes.plot.width());
    QVector<quint64> pooled(width, 0);
    const double perPixel = (m_hi - m_lo) / width / m_data->binWidth();
    const double first = (m_lo - m_data->lo) / m_data->binWidth();
    for (int x = 0; x < width; ++x) {
        const int from = std::clamp(int(first + x * perPixel), 0, m_data->bins() - 1);
        const int to = std::clamp(int(std::ceil(first + (x + 1) * perPixel)), from + 1, m_data->bins());
        pooled[x] = *std::max_element(counts.begin() + from,
                                      counts.begin() + std::max(from + 1, perPixel < 1 ? from + 1 : to));
    }
    const QColor edge = after ? t.data : m_data->errors ? t.outlier : t.text3;
    const QColor fill = m_data->errors ? blend(t.outlier, t.base, 0.55) : t.original;
    double last = bottom;
    for (int x = 0; x < width; ++x) {
        const double y = top(axes, double(pooled[x]));
        const double px = axes.plot.left() + x;
        if (!after && bottom - y > 0) painter.fillRect(QRectF(px, y, 1, bottom - y), fill);
        if (bottom - y > 0 || last < bottom) {
            const double from = std::min(y, last), to = std::max(y, last);
            const double thick = after ? 1.6 : 1;
            if (std::abs(to - from) > 1) painter.fillRect(QRectF(px, from, after ? 1.4 : 1, to - from), edge);
            if (bottom - y > 0) painter.fillRect(QRectF(px, y, 1, thick), edge);
        }
        last = y;
    }
}

void HistogramWidget::paintOutline(QPainter& painter, const PlotAxes& axes) const {
    const HistogramData::Outline& o = m_data->outline;
    if (o.counts.isEmpty() || !(o.lo < o.hi)) return;
    const double width = (o.hi - o.lo) / double(o.counts.size()), perBin = m_data->binWidth() / width;
    QPolygonF line;
    // At most one point per two pixels: the larger of the counts that share them.
    double peak = 0, from = -1e9;
    for (int i = 0; i < o.counts.size(); ++i) {
        const double x = axes.x.toPixel(o.lo + (i + 0.5) * width);
        peak = std::max(peak, double(o.counts[i]) * perBin);
        if (x - from < 2) continue;
        line << QPointF(x, top(axes, peak));
        from = x;
        peak = 0;
    }
    painter.setPen(QPen(theme().text, 1.3, Qt::DashLine));
    painter.drawPolyline(line);
}

void HistogramWidget::paintLevels(QPainter& painter, const PlotAxes& axes) const {
    const Theme& t = theme();
    for (const double level : m_data->levels) {
        if (level < m_lo || level > m_hi) continue;
        painter.fillRect(QRectF(std::round(axes.x.toPixel(level)) - 1, axes.plot.bottom() + 1, 2, 5), t.data);
    }
}

void HistogramWidget::paintHeader(QPainter& painter, const PlotAxes& axes) const {
    if (m_compact) return;
    const Theme& t = theme();
    const QFontMetricsF fm(boldChartFont());
    const QRectF row(axes.plot.left(), 3, axes.plot.width(), fm.height() + 2);
    QVector<LegendEntry> legend;
    if (m_showBefore && !m_data->before.isEmpty())
        legend.push_back({m_data->beforeLabel.isEmpty() ? tr("original") : m_data->beforeLabel,
                          m_data->errors ? blend(t.outlier, t.base, 0.55) : t.original, LegendEntry::Fill});
    if (m_showAfter && !m_data->after.isEmpty())
        legend.push_back({m_data->afterLabel.isEmpty() ? tr("dequantized") : m_data->afterLabel, t.data,
                          spikes() ? LegendEntry::Bar : LegendEntry::Line});
    if (m_clip.shown && !m_data->clipLabel.isEmpty())
        legend.push_back({m_data->clipLabel, t.warningFill, LegendEntry::Fill});
    if (!m_data->outline.counts.isEmpty())
        legend.push_back({m_data->outline.label, t.text, LegendEntry::DashedLine});
    const double title = std::min(fm.horizontalAdvance(m_data->title), row.width() / 2);
    const double used = paintLegend(painter, row.adjusted(title + 16, 0, 0, 0), legend);
    painter.setFont(boldChartFont());
    painter.setPen(t.text);
    painter.drawText(row, Qt::AlignLeft | Qt::AlignVCenter,
                     fm.elidedText(m_data->title, Qt::ElideRight, row.width() - used - 10));
    painter.setFont(chartFont());
}

void HistogramWidget::paintPointer(QPainter& painter, const PlotAxes& axes) const {
    const Theme& t = theme();
    if (m_dragging && std::abs(m_pointer.x() - m_pressAt.x()) >= 5) {
        QColor tint = t.accent;
        tint.setAlphaF(0.14f);
        const double a = std::clamp(m_pressAt.x(), axes.plot.left(), axes.plot.right());
        const double b = std::clamp(m_pointer.x(), axes.plot.left(), axes.plot.right());
        painter.fillRect(QRectF(std::min(a, b), axes.plot.top(), std::abs(b - a), axes.plot.height()), tint);
    }
    if (hasFocus()) {
        painter.setPen(QPen(t.accent, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -1.5, -1.5));
    }
    if (m_hover < 0 || m_hover >= m_data->bins()) return;
    const double lo = m_data->lo + m_hover * m_data->binWidth(), hi = lo + m_data->binWidth();
    const double x0 = axes.x.toPixel(lo), x1 = axes.x.toPixel(hi);
    QColor tint = t.accent;
    tint.setAlphaF(0.22f);
    painter.fillRect(QRectF(std::floor(x0), axes.plot.top(), std::max(1.0, x1 - x0), axes.plot.height()),
                     tint);
    QStringList lines = {tr("%1 to %2").arg(formatNumber(lo, 4), formatNumber(hi, 4))};
    double peak = 0;
    if (m_showBefore && !m_data->before.isEmpty()) {
        lines.push_back(tr("%1: %2").arg(m_data->beforeLabel.isEmpty() ? tr("original") : m_data->beforeLabel,
                                         groupedInteger(qint64(m_data->before[m_hover]))));
        peak = double(m_data->before[m_hover]);
    }
    if (m_showAfter && !m_data->after.isEmpty()) {
        lines.push_back(
            tr("%1: %2").arg(m_data->afterLabel.isEmpty() ? tr("dequantized") : m_data->afterLabel,
                             groupedInteger(qint64(m_data->after[m_hover]))));
        peak = std::max(peak, double(m_data->after[m_hover]));
    }
    paintReadout(painter, QPointF((x0 + x1) / 2, top(axes, peak)), QRectF(0, 0, width(), height()), lines);
}

void HistogramWidget::paintContent(QPainter& painter, const QSizeF& size, bool interactive) const {
    painter.save();
    painter.setFont(chartFont());
    if (empty()) {
        painter.setFont(bodyFont());
        painter.setPen(theme().text3);
        const QString text =
            m_data && !m_data->emptyText.isEmpty() ? m_data->emptyText : tr("Nothing to show yet.");
        painter.drawText(QRectF(8, 8, size.width() - 16, size.height() - 16),
                         Qt::AlignCenter | Qt::TextWordWrap, text);
        painter.restore();
        return;
    }
    const PlotAxes axes = axesFor(size);
    if (!m_compact) paintGrid(painter, axes);
    painter.save();
    painter.setClipRect(axes.plot, Qt::IntersectClip);
    paintClip(painter, axes);
    if (m_showBefore && !m_data->before.isEmpty()) paintBars(painter, axes, m_data->before, false);
    if (m_showAfter && !m_data->after.isEmpty()) paintBars(painter, axes, m_data->after, true);
    paintOutline(painter, axes);
    painter.restore();
    paintAxes(painter, axes);
    paintLevels(painter, axes);
    paintHeader(painter, axes);
    paintClipHandles(painter, axes);
    if (interactive) paintPointer(painter, axes);
    painter.restore();
}

void HistogramWidget::paintEvent(QPaintEvent* event) {
    QPainter p(this);
    p.fillRect(event->rect(), theme().base);
    paintContent(p, QSizeF(size()), true);
}

void HistogramWidget::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    paintContent(painter, QSizeF(size), false);
}

int HistogramWidget::binAt(const QPointF& at) const {
    if (empty()) return -1;
    const PlotAxes a = axesFor(QSizeF(size()));
    if (!a.plot.contains(at)) return -1;
    return std::clamp(int((a.x.toValue(at.x()) - m_data->lo) / m_data->binWidth()), 0, m_data->bins() - 1);
}

void HistogramWidget::setHover(int bin) {
    if (bin == m_hover) return;
    m_hover = bin;
    update();
}

void HistogramWidget::wheelEvent(QWheelEvent* event) {
    if (empty() || event->angleDelta().y() == 0) return QWidget::wheelEvent(event);
    const PlotAxes a = axesFor(QSizeF(size()));
    const double at = a.x.toValue(std::clamp(event->position().x(), a.plot.left(), a.plot.right()));
    const double factor = std::pow(0.8, event->angleDelta().y() / 120.0);
    const double span = std::min((m_hi - m_lo) * factor, m_data->hi - m_data->lo);
    const double t = (at - m_lo) / (m_hi - m_lo);
    applyRange(at - t * span, at + (1 - t) * span);
    event->accept();
}

void HistogramWidget::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || empty()) return QWidget::mousePressEvent(event);
    m_clip.dragged = clipHandleAt(event->position());
    m_dragging = m_clip.dragged < 0;
    m_pressAt = m_pointer = event->position();
}

void HistogramWidget::mouseMoveEvent(QMouseEvent* event) {
    m_pointer = event->position();
    if (m_clip.dragged >= 0 && !empty())
        return moveClip(m_clip.dragged, axesFor(QSizeF(size())).x.toValue(m_pointer.x()));
    setCursor(clipHandleAt(m_pointer) >= 0 ? Qt::SizeHorCursor : Qt::ArrowCursor);
    setHover(binAt(m_pointer));
    if (m_dragging) update();
}

void HistogramWidget::mouseReleaseEvent(QMouseEvent* event) {
    m_clip.dragged = -1;
    if (!std::exchange(m_dragging, false) || empty()) return;
    if (std::abs(event->position().x() - m_pressAt.x()) >= 5) {
        const PlotAxes a = axesFor(QSizeF(size()));
        const double x0 = a.x.toValue(std::clamp(m_pressAt.x(), a.plot.left(), a.plot.right()));
        const double x1 = a.x.toValue(std::clamp(event->position().x(), a.plot.left(), a.plot.right()));
        applyRange(std::min(x0, x1), std::max(x0, x1));
    }
    update();
}

void HistogramWidget::mouseDoubleClickEvent(QMouseEvent*) {
    if (!empty()) applyRange(m_data->lo, m_data->hi);
}

void HistogramWidget::leaveEvent(QEvent*) {
    setHover(-1);
}

void HistogramWidget::keyPressEvent(QKeyEvent* event) {
    if (empty()) return QWidget::keyPressEvent(event);
    if (m_clip.shown && clipKey(event)) return;
    const double middle = (m_lo + m_hi) / 2, half = (m_hi - m_lo) / 2;
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        applyRange(middle - half * 0.7, middle + half * 0.7);
        break;
    case Qt::Key_Minus:
        applyRange(middle - half / 0.7, middle + half / 0.7);
        break;
    case Qt::Key_0:
        applyRange(m_data->lo, m_data->hi);
        break;
    case Qt::Key_L:
        setLogY(!m_log);
        break;
    case Qt::Key_Left:
        setHover(std::max(0, (m_hover < 0 ? m_data->bins() / 2 : m_hover) - 1));
        break;
    case Qt::Key_Right:
        setHover(std::min(m_data->bins() - 1, (m_hover < 0 ? m_data->bins() / 2 : m_hover) + 1));
        break;
    case Qt::Key_Escape:
        setHover(-1);
        break;
    default:
        QWidget::keyPressEvent(event);
    }
}

QString HistogramWidget::toCsv() const {
    if (empty()) return {};
    QString csv = QStringLiteral("from,to,before,after\n");
    for (int i = 0; i < m_data->bins(); ++i)
        csv += csvNumber(m_data->lo + i * m_data->binWidth()) + QLatin1Char(',') +
               csvNumber(m_data->lo + (i + 1) * m_data->binWidth()) + QLatin1Char(',') +
               (m_data->before.isEmpty() ? QString() : QString::number(m_data->before[i])) +
               QLatin1Char(',') + (m_data->after.isEmpty() ? QString() : QString::number(m_data->after[i])) +
               QLatin1Char('\n');
    return csv;
}

QString HistogramWidget::pictureName() const {
    return m_data && !m_data->title.isEmpty() ? m_data->title : tr("Histogram");
}

} // namespace qs::ui
