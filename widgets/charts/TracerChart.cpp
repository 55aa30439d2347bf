// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/TracerChart.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <QAccessible>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPaintEvent>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {
constexpr double kNear = 14; ///< px: what the pointer means
constexpr double kEndLabels = 78;
} // namespace

QColor TracerLine::color() const {
    const Theme& t = theme();
    const QColor colors[TracerChart::kMostLines] = {t.runs[1],   t.runs[2], t.runs[3],
                                                    t.predicted, t.error,   t.text2};
    return colors[slot % TracerChart::kMostLines];
}

TracerChart::TracerChart(QWidget* parent) : QWidget(parent) {
    setAccessibleName(tr("Outlier tracer"));
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void TracerChart::setData(TracerDataPtr data) {
    m_data = std::move(data);
    m_hover = {-1, -1};
    if (!lineOf(m_current)) m_current = m_data && !m_data->lines.empty() ? m_data->lines.front().channel : -1;
    update();
}

void TracerChart::setCurrentChannel(int channel) {
    if (m_current == channel || (channel >= 0 && !lineOf(channel))) return;
    m_current = channel;
    update();
}

const TracerLine* TracerChart::lineOf(int channel) const {
    if (!m_data) return nullptr;
    const auto it = std::find_if(m_data->lines.begin(), m_data->lines.end(),
                                 [channel](const TracerLine& l) { return l.channel == channel; });
    return it == m_data->lines.end() ? nullptr : &*it;
}

PlotAxes TracerChart::axesFor(const QSizeF& size) const {
    PlotAxes axes;
    double lo = INFINITY, hi = 0;
    const auto widen = [&](double v) {
        if (!(v > 0) || !std::isfinite(v)) return;
        lo = std::min(lo, v);
        hi = std::max(hi, v);
    };
    for (const auto* band : {&m_data->bandLow, &m_data->bandHigh, &m_data->limit})
        std::for_each(band->begin(), band->end(), widen);
    for (const TracerLine& l : m_data->lines) {
        std::for_each(l.value.begin(), l.value.end(), widen);
        if (l.channel == m_current) std::for_each(l.normed.begin(), l.normed.end(), widen);
    }
    if (!(lo < hi)) {
        lo = std::isfinite(lo) ? lo / 2 : 0.1;
        hi = lo * 10;
    }
    // What a norm amplifies is written above everything else.
    const TracerLine* current = lineOf(m_current);
    const double top = hi * (current && current->amplified > 0 ? 6 : 2);
    axes.yTicks = logTicks(lo / 1.4, top, std::max(2, int(size.height() / 42)));
    axes.yTitle = m_data->yTitle;
    const double left = leftAxisWidth(axes.yTicks, true), bottom = bottomAxisHeight(true);
    axes.plot = QRectF(left, 10, std::max(40.0, size.width() - left - kEndLabels),
                       std::max(30.0, size.height() - 10 - bottom));
    axes.y = {lo / 1.4, top, axes.plot.bottom(), axes.plot.top(), true};
    const double last = std::max(1, m_data->pointCount - 1);
    axes.x = {0, last, axes.plot.left() + 12, axes.plot.right() - 12, false};
    axes.xTicks.push_back({0, tr("embed"), true});
    for (int b = 0; b < m_data->blocks; ++b)
        axes.xTicks.push_back({2 * b + 1.5, QString::number(b), true});
    if (m_data->hasFinalNorm()) axes.xTicks.push_back({last, tr("norm"), true});
    axes.xTitle = tr("block (two points each: after attention, after the feed-forward half)");
    return axes;
}

QPointF TracerChart::pointPosition(const PlotAxes& axes, const TracerLine& line, int point) const {
    return {axes.x.toPixel(point), axes.y.toPixel(line.value.value(point))};
}

QPoint TracerChart::nearest(const QPointF& at) const {
    if (empty()) return {-1, -1};
    const PlotAxes axes = axesFor(size());
    QPoint best(-1, -1);
    double distance = kNear;
    for (size_t l = 0; l < m_data->lines.size(); ++l)
        for (int i = 0; i < m_data->lines[l].value.size(); ++i) {
            const QPointF d = pointPosition(axes, m_data->lines[l], i) - at;
            if (std::hypot(d.x(), d.y()) >= distance) continue;
            distance = std::hypot(d.x(), d.y());
            best = QPoint(int(l), i);
        }
    return best;
}

QStringList TracerChart::describe(const TracerLine& line, int point) const {
    QStringList lines = {tr("channel %1, %2").arg(line.channel).arg(m_data->pointNames.value(point))};
    lines += tr("max |x|: %1").arg(formatNumber(line.value[point], 3));
    if (point > 0 && line.value[point - 1] > 0)
        lines +=
            tr("× %1 of the point before").arg(formatNumber(line.value[point] / line.value[point - 1], 3));
    if (line.normed.value(point, NAN) > 0)
        lines += tr("behind the norm this half reads: %1").arg(formatNumber(line.normed[point], 3));
    lines += tr("channels here: median %1, p99 %2")
                 .arg(formatNumber(m_data->bandLow[point], 2), formatNumber(m_data->bandHigh[point], 2));
    if (const QString writer = m_data->writers.value(point); !writer.isEmpty())
        lines += tr("written by %1, row %2").arg(writer).arg(line.channel);
    return lines;
}

void TracerChart::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.fillRect(rect(), theme().base);
    if (empty()) {
        p.setPen(theme().text3);
        p.drawText(rect().adjusted(24, 12, -24, -12), Qt::AlignCenter | Qt::TextWordWrap,
                   m_data ? m_data->emptyText : QString());
        return;
    }
    const PlotAxes axes = axesFor(size());
    paintTracer(p, *m_data, axes, m_current);
    p.setRenderHint(QPainter::Antialiasing);
    const TracerLine* line = nullptr;
    int point = -1;
    if (m_hover.x() >= 0) {
        line = &m_data->lines[size_t(m_hover.x())];
        point = m_hover.y();
    } else if (hasFocus() && m_point >= 0) {
        line = lineOf(m_current);
        point = m_point;
    }
    if (line && point < line->value.size()) {
        const QPointF at = pointPosition(axes, *line, point);
        p.setPen(QPen(theme().accent, 1.6));
        p.drawEllipse(at, 4.5, 4.5);
        paintReadout(p, at, axes.plot, describe(*line, point));
    }
    if (!hasFocus()) return;
    p.setRenderHint(QPainter::Antialiasing, false);
    p.setPen(QPen(theme().accent, 1));
    p.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5));
}

void TracerChart::mouseMoveEvent(QMouseEvent* event) {
    const QPoint at = nearest(event->position());
    if (at == m_hover) return;
    m_hover = at;
    update();
}

void TracerChart::leaveEvent(QEvent* event) {
    QWidget::leaveEvent(event);
    m_hover = {-1, -1};
    update();
}

void TracerChart::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return QWidget::mousePressEvent(event);
    const QPoint at = nearest(event->position());
    if (at.x() < 0) return;
    m_current = m_data->lines[size_t(at.x())].channel;
    m_point = at.y();
    update();
    emit channelSelected(m_current);
}

void TracerChart::mouseDoubleClickEvent(QMouseEvent* event) {
    const QPoint at = nearest(event->position());
    if (at.x() >= 0) emit pointActivated(at.y());
}

void TracerChart::step(int lines, int points) {
    const auto& all = m_data->lines;
    size_t index = 0;
    while (index < all.size() && all[index].channel != m_current)
        ++index;
    if (index == all.size()) index = 0;
    index = size_t((int(index) + lines + int(all.size())) % int(all.size()));
    m_point = std::clamp(m_point + points, 0, std::max(0, int(all[index].value.size()) - 1));
    const bool other = m_current != all[index].channel;
    m_current = all[index].channel;
    setAccessibleDescription(describe(all[index], m_point).join(QStringLiteral(". ")));
    QAccessibleEvent event(this, QAccessible::DescriptionChanged);
    QAccessible::updateAccessibility(&event);
    update();
    if (other) emit channelSelected(m_current);
}

void TracerChart::keyPressEvent(QKeyEvent* event) {
    const bool moves = !empty() && !m_data->lines.empty();
    const int key = event->key();
    if (moves && (key == Qt::Key_Left || key == Qt::Key_Right))
        step(0, key == Qt::Key_Right ? 1 : -1);
    else if (moves && (key == Qt::Key_Up || key == Qt::Key_Down))
        step(key == Qt::Key_Down ? 1 : -1, 0);
    else if (moves && (key == Qt::Key_Return || key == Qt::Key_Enter) && m_point >= 0)
        emit pointActivated(m_point);
    else if (key == Qt::Key_Delete && m_current >= 0)
        emit removeRequested(m_current);
    else
        QWidget::keyPressEvent(event);
}

bool TracerChart::event(QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) update();
    return QWidget::event(event);
}

void TracerChart::renderTo(QPainter& painter, const QSize& size) const {
    painter.fillRect(QRect(QPoint(0, 0), size), theme().base);
    if (!empty()) paintTracer(painter, *m_data, axesFor(size), m_current);
}

QString TracerChart::toCsv() const {
    if (empty()) return {};
    QString csv = QStringLiteral("point,written by,median over channels,p99 over channels");
    for (const TracerLine& l : m_data->lines)
        csv += QStringLiteral(",max |x| of %1,behind norm of %1").arg(l.channel);
    csv += QLatin1Char('\n');
    for (int i = 0; i < m_data->bandLow.size(); ++i) {
        csv += csvField(m_data->pointNames.value(i)) + QLatin1Char(',') + csvField(m_data->writers.value(i)) +
               QLatin1Char(',') + csvNumber(m_data->bandLow[i]) + QLatin1Char(',') +
               csvNumber(m_data->bandHigh[i]);
        for (const TracerLine& l : m_data->lines)
            csv += QLatin1Char(',') + csvNumber(l.value.value(i, NAN)) + QLatin1Char(',') +
                   csvNumber(l.normed.value(i, NAN));
        csv += QLatin1Char('\n');
    }
    return csv;
}

} // namespace qs::ui
