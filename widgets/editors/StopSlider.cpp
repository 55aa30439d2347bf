// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/editors/StopSlider.h"

#include "widgets/theme/Theme.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

namespace qs::ui {

namespace {

constexpr double kSide = 34, kTrackY = 13, kHandle = 7, kDot = 3.5, kTrack = 3;

int nextDragId() {
    static int last = 0;
    return ++last;
}

} // namespace

StopSlider::StopSlider(QWidget* parent) : QAbstractSlider(parent) {
    setOrientation(Qt::Horizontal);
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setPageStep(1);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

QSize StopSlider::sizeHint() const {
    return {360, int(kTrackY + kHandle + 5 + QFontMetricsF(chartFont()).height() + 3)};
}

void StopSlider::setStops(const QVector<SliderStop>& stops, int current) {
    const bool wasNone = m_none;
    m_none = current < 0 || current >= stops.size();
    if (m_stops == stops && m_none == wasNone && (m_none || current == value())) return;
    m_told = true;
    m_stops = stops;
    setRange(0, std::max(0, int(stops.size()) - 1));
    if (!m_none) setValue(current);
    m_told = false;
    setEnabled(!stops.isEmpty());
    setAccessibleDescription(m_none ? QString() : stops[current].label);
    update();
}

QPointF StopSlider::stopPosition(int stop) const {
    const double room = width() - 2 * kSide;
    return {kSide + (m_stops.size() > 1 ? room * stop / double(m_stops.size() - 1) : room / 2), kTrackY};
}

int StopSlider::stopAt(double x) const {
    if (m_stops.size() < 2) return 0;
    const double step = (width() - 2 * kSide) / double(m_stops.size() - 1);
    return std::clamp(int(std::lround((x - kSide) / std::max(1.0, step))), 0, int(m_stops.size()) - 1);
}

void StopSlider::choose(int stop) {
    if (!m_none && stop == value()) return;
    const bool same = stop == value(); // the value moves to its place, and Qt does not tell
    m_none = false;
    setValue(stop);
    if (same) emit stopChosen(stop, m_dragId);
    update();
}

/// Keys and the wheel come here as well, through QAbstractSlider.
void StopSlider::sliderChange(SliderChange change) {
    QAbstractSlider::sliderChange(change);
    if (change != SliderValueChange || m_told) return;
    m_none = false;
    if (value() < m_stops.size()) setAccessibleDescription(m_stops[value()].label);
    emit stopChosen(value(), m_dragId);
}

void StopSlider::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || m_stops.isEmpty()) return QWidget::mousePressEvent(event);
    m_from = currentStop();
    m_dragId = nextDragId();
    setSliderDown(true);
    choose(stopAt(event->position().x()));
}

void StopSlider::mouseMoveEvent(QMouseEvent* event) {
    if (isSliderDown()) choose(stopAt(event->position().x()));
}

void StopSlider::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !isSliderDown()) return QWidget::mouseReleaseEvent(event);
    setSliderDown(false);
    m_dragId = 0;
    m_from = -1;
    update();
}

void StopSlider::keyPressEvent(QKeyEvent* event) {
    // From nowhere any key goes to the first stop: Qt would stay where the value happens to be.
    const bool moves = event->key() == Qt::Key_Left || event->key() == Qt::Key_Right ||
                       event->key() == Qt::Key_Home || event->key() == Qt::Key_End;
    if (m_none && moves && !m_stops.isEmpty())
        choose(event->key() == Qt::Key_End ? int(m_stops.size()) - 1 : 0);
    else
        QAbstractSlider::keyPressEvent(event);
}

bool StopSlider::event(QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) update();
    if (event->type() != QEvent::ToolTip || m_stops.isEmpty()) return QAbstractSlider::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    QToolTip::showText(help->globalPos(), m_stops[stopAt(help->pos().x())].help, this);
    return true;
}

void StopSlider::paintTrack(QPainter& p) const {
    const Theme& t = theme();
    const QColor past = isEnabled() ? t.accent : t.strongBorder;
    const int current = currentStop();
    const auto line = [&](double from, double to, const QColor& color) {
        p.setPen(QPen(color, kTrack, Qt::SolidLine, Qt::RoundCap));
        p.drawLine(QPointF(from, kTrackY), QPointF(to, kTrackY));
    };
    const double first = stopPosition(0).x(), last = stopPosition(int(m_stops.size()) - 1).x();
    line(first, last, t.strongBorder);
    if (current > 0) line(first, stopPosition(current).x(), past);
    for (int i = 0; i < m_stops.size(); ++i) {
        p.setPen(Qt::NoPen);
        p.setBrush(i <= current ? past : t.strongBorder);
        p.drawEllipse(stopPosition(i), kDot, kDot);
    }
    if (m_from >= 0 && m_from != current) {
        p.setPen(QPen(past, 1.2, Qt::DotLine));
        p.setBrush(t.base);
        p.drawEllipse(stopPosition(m_from), kHandle - 1.5, kHandle - 1.5);
    }
    if (current >= 0) {
        p.setPen(QPen(t.base, 1.5));
        p.setBrush(past);
        p.drawEllipse(stopPosition(current), kHandle, kHandle);
    }
    p.setBrush(Qt::NoBrush);
}

/// The present one always, the others where they have room.
void StopSlider::paintLabels(QPainter& p) const {
    QFont bold = chartFont();
    bold.setBold(true);
    const double top = kTrackY + kHandle + 4, height = QFontMetricsF(chartFont()).height();
    QVector<QRectF> taken;
    const auto write = [&](int stop, const QFont& font, const QColor& color) {
        const QString& text = m_stops[stop].label;
        const double wide = QFontMetricsF(font).horizontalAdvance(text) + 4;
        const double left = std::clamp(stopPosition(stop).x() - wide / 2, 0.0, std::max(0.0, width() - wide));
        const QRectF r(left, top, wide, height);
        if (std::any_of(taken.begin(), taken.end(),
                        [&](const QRectF& o) { return o.adjusted(-4, 0, 4, 0).intersects(r); }))
            return;
        taken.push_back(r);
        p.setFont(font);
        p.setPen(color);
        p.drawText(r, Qt::AlignCenter, text);
    };
    const int current = currentStop();
    if (current >= 0) write(current, bold, theme().text);
    for (int i = 0; i < m_stops.size(); ++i)
        if (i != current) write(i, chartFont(), theme().text2);
}

void StopSlider::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.fillRect(rect(), theme().base);
    if (m_stops.isEmpty()) return;
    p.setRenderHint(QPainter::Antialiasing);
    paintTrack(p);
    paintLabels(p);
    if (!hasFocus()) return;
    p.setRenderHint(QPainter::Antialiasing, false);
    p.setPen(QPen(theme().accent, 1));
    p.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5));
}

} // namespace qs::ui
