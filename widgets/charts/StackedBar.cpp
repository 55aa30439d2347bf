// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/charts/StackedBar.h"

#include "widgets/charts/ExportMenu.h"
#include "widgets/theme/Theme.h"

#include <QAccessible>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QToolTip>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kMargin = 10, kBarHeight = 22, kGap = 4, kTickSpacing = 80;

QColor colorOf(int part) {
    const Theme& t = theme();
    const QColor colors[StackedBar::kMostParts] = {t.data,      t.runs[3], t.runs[2],
                                                   t.predicted, t.text3,   t.outlier};
    return colors[part % StackedBar::kMostParts];
}

QString valueText(const StackedBarPart& part, const StackedBarData& data) {
    const QString value = formatFixed(part.value, data.total() < 10 ? 2 : 1);
    return part.uncertainty > 0 ? StackedBar::tr("%1 ± %2").arg(value, formatNumber(part.uncertainty, 2))
                                : value;
}

} // namespace

double StackedBarData::total() const {
    double sum = 0;
    for (const StackedBarPart& p : parts)
        sum += p.value;
    return sum;
}

StackedBar::StackedBar(const QString& name, const QString& accessibleName, QWidget* parent)
    : QWidget(parent), m_name(name) {
    setAccessibleName(accessibleName);
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    installExportMenu(this, this);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void StackedBar::setData(StackedBarDataPtr data) {
    m_data = std::move(data);
    if (!m_data || m_current >= m_data->parts.size()) m_current = -1;
    QStringList words;
    if (m_data)
        for (const StackedBarPart& p : m_data->parts)
            words << tr("%1 %2 %3").arg(p.name, valueText(p, *m_data), m_data->unit);
    setAccessibleDescription(words.isEmpty()
                                 ? (m_data ? m_data->emptyText : QString())
                                 : m_data->title + QStringLiteral(": ") + words.join(QStringLiteral(", ")));
    update();
}

QSize StackedBar::sizeHint() const {
    const double line = QFontMetricsF(chartFont()).height();
    return {420, int(std::ceil(2 * kMargin + line + kGap + kBarHeight + bottomAxisHeight(false)))};
}

PlotAxes StackedBar::axesFor(const QSizeF& size) const {
    PlotAxes axes;
    const double top = kMargin + QFontMetricsF(chartFont()).height() + kGap;
    axes.plot = QRectF(kMargin, top, std::max(40.0, size.width() - 2 * kMargin), kBarHeight);
    double most = m_data->total();
    if (!m_data->parts.isEmpty()) most += m_data->parts.back().uncertainty;
    if (m_data->target)
        most = std::max(most, std::min(*m_data->target, 3 * most)); // a far one is off the axis
    axes.x = {0, most > 0 ? most * 1.04 : 1, axes.plot.left(), axes.plot.right()};
    axes.xTicks = linearTicks(axes.x.lo, axes.x.hi, std::max(2, int(axes.plot.width() / kTickSpacing)));
    if (!axes.xTicks.isEmpty()) axes.xTicks.back().label += QLatin1Char(' ') + m_data->unit;
    axes.showY = false;
    return axes;
}

QRectF StackedBar::partRect(int part, const QSizeF& size) const {
    if (!m_data || part < 0 || part >= m_data->parts.size()) return {};
    const PlotAxes axes = axesFor(size);
    double before = 0;
    for (int i = 0; i < part; ++i)
        before += m_data->parts[i].value;
    const double left = axes.x.toPixel(before), right = axes.x.toPixel(before + m_data->parts[part].value);
    return {left, axes.plot.top(), right - left, axes.plot.height()};
}

int StackedBar::partAt(const QPointF& position) const {
    if (!m_data) return -1;
    for (int i = 0; i < m_data->parts.size(); ++i)
        if (partRect(i, size()).adjusted(0, -kGap, 0, kGap).contains(position)) return i;
    return -1;
}

void StackedBar::paintParts(QPainter& p, const PlotAxes& axes) const {
    const Theme& t = theme();
    double before = 0;
    for (int i = 0; i < m_data->parts.size(); ++i) {
        const StackedBarPart& part = m_data->parts[i];
        const double left = axes.x.toPixel(before), right = axes.x.toPixel(before + part.value);
        // A line of the background between neighbours, which may look alike in print.
        p.fillRect(QRectF(left, axes.plot.top(), std::max(0.0, right - left - 1), axes.plot.height()),
                   colorOf(i));
        before += part.value;
        if (!(part.uncertainty > 0)) continue;
        const double lo = axes.x.toPixel(before - part.uncertainty),
                     hi = axes.x.toPixel(before + part.uncertainty), y = axes.plot.center().y();
        p.setPen(QPen(t.text, 1));
        p.drawLine(QPointF(lo, y), QPointF(hi, y));
        for (const double x : {lo, hi})
            p.drawLine(QPointF(x, y - 4), QPointF(x, y + 4));
    }
}

void StackedBar::paintTarget(QPainter& p, const PlotAxes& axes) const {
    if (!m_data->target || !axes.x.contains(*m_data->target)) return;
    const double x = axes.x.toPixel(*m_data->target);
    p.setPen(QPen(theme().outlier, 2));
    p.drawLine(QPointF(x, axes.plot.top() - 3), QPointF(x, axes.plot.bottom() + 3));
}

void StackedBar::renderTo(QPainter& p, const QSize& size) const {
    const Theme& t = theme();
    p.save();
    p.fillRect(QRect(QPoint(), size), t.base);
    p.setFont(chartFont());
    const QFontMetricsF fm(chartFont());
    if (!m_data || m_data->parts.isEmpty()) {
        p.setPen(t.text2);
        p.drawText(QRectF(QPointF(), size).adjusted(kMargin, 0, -kMargin, 0),
                   Qt::AlignCenter | Qt::TextWordWrap, m_data ? m_data->emptyText : QString());
        p.restore();
        return;
    }
    const PlotAxes axes = axesFor(size);
    QVector<LegendEntry> legend;
    for (int i = 0; i < m_data->parts.size(); ++i)
        legend.push_back({tr("%1 %2").arg(m_data->parts[i].name, valueText(m_data->parts[i], *m_data)),
                          colorOf(i), LegendEntry::Fill});
    const QRectF line(kMargin, kMargin, axes.plot.width(), fm.height());
    const double used = paintLegend(p, line, legend);
    p.setPen(t.text);
    p.drawText(line, Qt::AlignLeft | Qt::AlignVCenter,
               fm.elidedText(m_data->title, Qt::ElideRight, std::max(0.0, line.width() - used - 12)));
    paintParts(p, axes);
    paintTarget(p, axes);
    paintAxes(p, axes);
    p.restore();
}

void StackedBar::paintEvent(QPaintEvent*) {
    QPainter p(this);
    renderTo(p, size());
    if (m_current < 0) return;
    const QRectF r = partRect(m_current, size());
    p.setPen(QPen(theme().text, 1));
    p.drawRect(r.adjusted(0.5, 0.5, -1.5, -0.5));
    if (hasFocus()) {
        p.setFont(chartFont());
        paintReadout(p, r.center(), rect(), readout(m_current));
    }
}

QStringList StackedBar::readout(int part) const {
    const StackedBarPart& p = m_data->parts[part];
    return {tr("%1: %2 %3").arg(p.name, valueText(p, *m_data), m_data->unit)};
}

void StackedBar::setCurrent(int part) {
    if (part == m_current) return;
    m_current = part;
    if (part >= 0) {
        QAccessibleEvent said(this, QAccessible::DescriptionChanged);
        setAccessibleDescription(readout(part).join(QLatin1Char(' ')) + QLatin1Char(' ') +
                                 m_data->parts[part].help);
        QAccessible::updateAccessibility(&said);
    }
    update();
}

void StackedBar::mouseMoveEvent(QMouseEvent* event) {
    setCurrent(partAt(event->position()));
}

void StackedBar::leaveEvent(QEvent*) {
    setCurrent(-1);
}

void StackedBar::focusOutEvent(QFocusEvent* event) {
    setCurrent(-1);
    QWidget::focusOutEvent(event);
}

void StackedBar::keyPressEvent(QKeyEvent* event) {
    const int count = m_data ? int(m_data->parts.size()) : 0;
    const int step = event->key() == Qt::Key_Right ? 1 : event->key() == Qt::Key_Left ? -1 : 0;
    if (count == 0 || step == 0) {
        QWidget::keyPressEvent(event);
        return;
    }
    setCurrent(m_current < 0 ? (step > 0 ? 0 : count - 1) : std::clamp(m_current + step, 0, count - 1));
}

bool StackedBar::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const int part = partAt(help->pos());
    if (part < 0) {
        QToolTip::hideText();
        event->ignore();
        return true;
    }
    QToolTip::showText(help->globalPos(),
                       readout(part).join(QLatin1Char('\n')) + QLatin1Char('\n') + m_data->parts[part].help,
                       this);
    return true;
}

QString StackedBar::toCsv() const {
    QString out = QStringLiteral("part,value,uncertainty,unit\n");
    if (!m_data) return out;
    for (const StackedBarPart& p : m_data->parts)
        out += QStringList{csvField(p.name), csvNumber(p.value), csvNumber(p.uncertainty),
                           csvField(m_data->unit)}
                   .join(QLatin1Char(',')) +
               QLatin1Char('\n');
    return out;
}

} // namespace qs::ui
